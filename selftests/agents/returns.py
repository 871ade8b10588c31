# SPDX-License-Identifier: GPL-2.0
"""A VM that comes to a node which still defines it, as one does that went down
in a commit: its definition is replaced, but only by a VM that arrives.
"""

import asyncio
import json
import os

import cases
from node import Failed
from pair import SETTLE_LIMIT

MARK = "# what this node knew\n"


class Return(cases.Case):
    """@trouble: a coroutine, given the pair and a message of the migration; it
    delivers it or not, and may return what is wrong. None for a migration that
    works.
    """

    def __init__(self, name, trouble=None, lease="lease-file"):
        super().__init__("returns/" + name, lease)
        self.trouble = trouble

    async def run(self, pair):
        source = pair.vm.runner()
        other = pair.other(source)
        await define_earlier(pair, other)
        if self.trouble:
            await self.fail(pair, source, other)
        await pair.must(source, "migrate", pair.vm.name, other.name)
        await pair.settle()
        if MARK in read(other, pair.vm):
            raise Failed("the VM came, and its definition did not")
        await pair.move_on()

    async def fail(self, pair, source, other):
        """All is as before, the earlier definition too."""
        wrong = []

        async def plan(message):
            wrong.append(await self.trouble(pair, message))

        before = read(other, pair.vm)
        pair.proxy.plan = plan
        status, said = await source.run("migrate", pair.vm.name, other.name)
        pair.proxy.heal()
        pair.vm.clear("@")
        other.hide_qemu(False)
        if not status or any(wrong):
            raise Failed(f"the migration did not fail: {said}; {wrong}")
        if not other.alive():
            await other.start()
        await pair.wait(SETTLE_LIMIT, f"{pair.vm.name} to be as it was",
                        lambda: pair.vm.runner() == source and
                        not other.leftovers(pair.vm.name))
        if read(other, pair.vm) != before:
            raise Failed("the earlier definition is not as it was")
        await at_rest(pair, other)
        pair.check_violations()


async def at_rest(pair, node):
    """The node shows the VM that it defines, and may not start it."""
    said = await pair.must(node, "vm", "show", pair.vm.name)
    if "stopped" not in said:
        raise Failed(f"node {node.name} shows: {said}")
    status, said = await node.run("vm", "start", pair.vm.name)
    if not status or "holds the lease" not in said:
        raise Failed(f"started on node {node.name}, status {status}: {said}")


async def define_earlier(pair, node, change=lambda text: text):
    """The same VM, in words that can be told from those of its runner."""
    path = pair.vm.write_definition()
    with open(path, encoding="ascii") as file:
        text = change(file.read())
    with open(path, "w", encoding="ascii") as file:
        file.write(MARK + text)
    await pair.must(node, "vm", "define", path)


def read(node, vm):
    with open(node.path("vms", vm.name + ".ini"), encoding="ascii") as file:
        return file.read()


# What fails

async def refused(pair, message):
    pair.other(pair.vm.runner()).hide_qemu(True)
    pair.proxy.deliver(message)


async def cut(pair, message):
    """While memory arrives."""
    if str(message) == "control destination ready":
        message.connection.cut()
    else:
        pair.proxy.deliver(message)


async def killed_before(pair, message):
    """A new agent finds the QEMU of a VM that it also defines."""
    if str(message) == "control destination loaded":
        await pair.other(pair.vm.runner()).kill()
    pair.proxy.deliver(message)


async def lost(pair, message):
    """The definition is replaced already when the lease is found to be lost."""
    raw = None
    if str(message) == "control source commit":
        raw = message.changed(epoch=message.body["epoch"] + 5)
    pair.proxy.deliver(message, raw)


async def kill_in_handoff(pair, message):
    """The destination's agent, when it asks for the lease and before it has it.
    The source keeps the VM."""
    node = pair.other(pair.nodes[message.connection.opener])
    lock = pair.vm.lock_lease()
    pair.proxy.deliver(message)
    await pair.wait(SETTLE_LIMIT, "the destination to ask for the lease",
                    node.helpers)
    await node.kill()
    message.connection.cut()
    os.close(lock)
    while not pair.vm.runners():
        await asyncio.sleep(0.05)


async def killed_in_handoff(pair, message):
    """As that, but a new agent finds it out."""
    if str(message) != "control source commit":
        pair.proxy.deliver(message)
        return ""
    await kill_in_handoff(pair, message)
    node = pair.other(pair.nodes[message.connection.opener])
    if MARK in read(node, pair.vm):
        return "the definition was not replaced before the lease"
    return ""


# Who is another VM

class Refused(cases.Case):
    """@change: what the other definition is instead."""

    def __init__(self, name, change=lambda text: text, lease="lease-file"):
        super().__init__("returns/not-" + name, lease)
        self.change = change

    async def run(self, pair):
        source = pair.vm.runner()
        other = pair.other(source)
        # Another disk is there as well: the node has to find that it is free.
        with open(pair.vm.path(".img2"), "ab"):
            pass
        await define_earlier(pair, other, self.change)
        before = read(other, pair.vm)
        status, said = await source.run("migrate", pair.vm.name, other.name)
        if not status or "there is a VM" not in said:
            raise Failed(f"taken for the same VM, status {status}: {said}")
        if read(other, pair.vm) != before:
            raise Failed("its definition was changed")
        await pair.must(other, "vm", "undefine", pair.vm.name)
        await pair.settle()
        await pair.move_on()


class Lost(cases.Case):
    """The destination does not know any more what lease it waits for.

    @dead: so is the source
    """

    def __init__(self, name, dead):
        super().__init__("lost-handoff/" + name, "lease-file")
        self.dead = dead

    async def run(self, pair):
        source, name = pair.vm.runner(), pair.vm.name
        other = pair.other(source)

        async def plan(message):
            if str(message) == "control source commit":
                await kill_in_handoff(pair, message)
            else:
                pair.proxy.deliver(message)

        pair.proxy.plan = plan
        await source.run("migrate", name, other.name)
        pair.proxy.heal()
        os.unlink(other.path("run", name, "handoff"))
        await other.start()
        said = await pair.must(other, "vm", "recover", name)
        if "has arrived" not in said or "vm undefine" not in said:
            raise Failed(f"vm recover shows: {said}")
        said = await pair.must(other, "node", "show", "--json")
        if json.loads(said)["slot"]["holders"]:
            raise Failed(f"it holds a slot: {said}")
        if pair.vm.runner() != source:
            raise Failed("the VM does not run where it was")
        if self.dead:
            await self.take_over(pair, source, other)
        else:
            await pair.must(other, "vm", "undefine", name)
        await pair.settle()
        await pair.move_on()

    async def take_over(self, pair, source, other):
        """From its disk: what has arrived is not what ran last."""
        name = pair.vm.name
        await source.kill()
        pair.vm.kill(source)
        said = json.loads(await pair.must(other, "vm", "recover", name,
                                          "--json"))
        await pair.must(other, "vm", "recover", name, "--fence-confirmed",
                        "--epoch", str(said["epoch"]))
        await pair.must(other, "vm", "start", name)
        await source.start()
        await pair.must(source, "vm", "undefine", name)


CASES = [
    Lost("source-runs-it", False),
    Lost("source-is-dead", True),
    Return("at-once"),
    Return("refused-before", refused),
    Return("cut-before", cut),
    Return("agent-killed-before", killed_before),
    Return("lease-lost", lost),
    Return("agent-killed-in-handoff", killed_in_handoff),
    Refused("with-another-disk",
            lambda text: text.replace(".img", ".img2")),
    Refused("without-its-lease",
            lambda text: text.replace("lease = lease-file\n", "")),
    Refused("without-a-lease", lease="none"),
]
