# SPDX-License-Identifier: GPL-2.0
"""Nodes that trust each other by a key, and somebody between them who has
none, or one of them that has another."""

import asyncio
import contextlib
import os
import shutil
import tempfile

import cases
from node import AGENT, Failed, sh
from pair import PATIENT
from stranger import Stranger

FOLDER = os.path.join(tempfile.gettempdir(), "agents-keys")
KEY, OTHER_KEY, OPEN_KEY = (os.path.join(FOLDER, name)
                            for name in ("cluster.key", "other", "open"))
CLUSTER = f"[cluster]\nkey = {KEY}\n"


@contextlib.contextmanager
def keys():
    os.makedirs(FOLDER, exist_ok=True)
    try:
        for path in (KEY, OTHER_KEY, OPEN_KEY):
            sh(AGENT, "keygen", path)
        os.chmod(OPEN_KEY, 0o640)
        yield
    finally:
        shutil.rmtree(FOLDER)


class Encrypted(cases.Case):
    """@function: a coroutine that is given the pair."""

    def __init__(self, name, function):
        super().__init__("tls/" + name, cluster=CLUSTER)
        self.function = function

    async def run(self, pair):
        await self.function(pair)
        pair.proxy.heal()
        await pair.settle()
        pair.check_violations()
        await pair.move_on()


async def move(pair):
    """Nothing that passes says what moves."""
    heard = bytearray()

    def listen(_connection, _opened, raw):
        heard.extend(raw)
        return raw

    pair.proxy.tamper = listen
    await pair.move_on()
    for word in (b'"definition"', f'"{pair.vm.name}"'.encode(), b'"commit"'):
        at = heard.find(word)
        if at >= 0:
            raise Failed(f"on the wire: {bytes(heard[at - 40:at + 40])!r}")


async def replay(pair):
    """What was said once, said again by somebody else."""
    tapes = {}

    def record(connection, opened, raw):
        if opened:
            tapes.setdefault(connection, bytearray()).extend(raw)
        return raw

    pair.proxy.tamper = record
    target = pair.other(pair.vm.runner())
    await pair.move_on()
    pair.proxy.tamper = None
    await pair.move_on()
    before = pair.vm.processes()
    strangers = [Stranger(pair, target) for _ in tapes]
    try:
        for stranger, tape in zip(strangers, tapes.values()):
            await stranger.connect()
            stranger.send_raw(bytes(tape))
        for stranger in strangers:
            await asyncio.wait_for(stranger.hung_up(), 60)
    finally:
        for stranger in strangers:
            stranger.close()
    if pair.vm.processes() != before:
        raise Failed("somebody took it for new")


def flip(kind, opened, offset):
    """One bit of what @opened says on the connection is another."""
    async def run(pair):
        count = {}
        done = []

        def tamper(connection, speaker, raw):
            if connection.kind != kind or speaker != opened or done:
                return raw
            at = offset - count.get(connection, 0)
            count[connection] = count.get(connection, 0) + len(raw)
            if at >= len(raw):
                return raw
            done.append(connection)
            return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1:]

        source = pair.vm.runner()
        pair.proxy.tamper = tamper
        status, said = await source.run("migrate", pair.vm.name,
                                        pair.other(source).name, *PATIENT)
        if not done:
            raise Failed(f"no such byte passed: {said}")
        await pair.settle()
        if not status or pair.vm.runner() != source:
            raise Failed(f"it was not noticed: {said}")
    return run


def changed(cluster, told):
    """The destination is configured otherwise. @told: what the user reads."""
    async def run(pair):
        source = pair.vm.runner()
        target = pair.other(source)
        await target.kill()
        pair.configure(target, cluster)
        await target.start()
        status, said = await source.run("migrate", pair.vm.name, target.name,
                                        *PATIENT)
        await target.kill()
        pair.configure(target, CLUSTER)
        await target.start()
        if not status or told not in said:
            raise Failed(f"the user was told, with status {status}: {said}")
        if pair.trouble():
            raise Failed(pair.trouble())
    return run


async def untrusted(pair):
    """RDMA does not encrypt, and nobody said that it need not."""
    source = pair.vm.runner()
    status, said = await source.run("migrate", pair.vm.name,
                                    pair.other(source).name, "--transport",
                                    "rdma")
    if not status or "trusted-network = yes" not in said:
        raise Failed(f"the user was told, with status {status}: {said}")
    said = await pair.must(source, "migrate", pair.vm.name,
                           pair.other(source).name, "--transport", "auto",
                           "--json", *PATIENT)
    if "trusted-network = yes" not in said:
        raise Failed(f"it was not said why TCP was taken: {said}")


async def open_key(pair):
    """An agent does not start with a key that others can read."""
    target = pair.other(pair.vm.runner())
    await target.kill()
    pair.configure(target, f"[cluster]\nkey = {OPEN_KEY}\n")
    try:
        await target.start()
    except Failed as err:
        if OPEN_KEY not in str(err):
            raise
    else:
        raise Failed("the agent took a key that its group can read")
    pair.configure(target, CLUSTER)
    await target.start()


CASES = [
    Encrypted("move", move),
    Encrypted("replay", replay),
    Encrypted("flip-handshake", flip("tls", True, 100)),
    Encrypted("flip-answer", flip("tls", False, 200)),
    Encrypted("flip-memory", flip("channel", True, 20000)),
    Encrypted("flip-state", flip("state", True, 2000)),
    Encrypted("wrong-key", changed(f"[cluster]\nkey = {OTHER_KEY}\n", "")),
    Encrypted("other-cluster", changed(CLUSTER + "name = other\n", "cluster")),
    Encrypted("not-encrypted", changed("", "")),
    Encrypted("untrusted-network", untrusted),
    Encrypted("open-key", open_key),
]
