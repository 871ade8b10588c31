# SPDX-License-Identifier: GPL-2.0
"""Peers that lie: whatever they say, the VM runs on one node."""

import cases
from node import Failed
from proxy import frame
from stranger import Stranger

TOKEN = "0123456789abcdef" * 2


class Changed(cases.Case):
    """One message of a migration is not what the sender said.

    @told: what the user reads of it
    """

    def __init__(self, name, message, told, **fields):
        super().__init__("changed/" + name)
        self.message, self.told, self.fields = message, told, fields

    def change(self, message):
        fields = {key: value(message.body[key]) if callable(value) else value
                  for key, value in self.fields.items()}
        return message.changed(**fields)

    async def run(self, pair):
        source, proxy = pair.vm.runner(), pair.proxy
        before = pair.vm.processes()
        done = []

        async def plan(message):
            first = str(message) == self.message and not done
            if first:
                done.append(message)
            proxy.deliver(message, self.change(message) if first else None)

        proxy.plan = plan
        status, said = await source.run("migrate", pair.vm.name,
                                        pair.other(source).name)
        proxy.heal()
        if not done:
            raise Failed(f"no such message came: {said}")
        if not status or self.told not in said:
            raise Failed(f"the user was told, with status {status}: {said}")
        await pair.settle()
        if pair.vm.processes() != before:
            raise Failed("the VM that ran is not the one that runs")
        pair.check_violations()


class Older(cases.Case):
    """Agents that knew no transports but TCP: one of them, or both."""

    def __init__(self, name, *lacks):
        super().__init__("older/" + name)
        self.lacks = lacks

    async def run(self, pair):
        async def plan(message):
            raw = None
            for sender, key in self.lacks:
                if str(message) == sender:
                    message.body.pop(key)
                    raw = message.changed()
            pair.proxy.deliver(message, raw)

        for wanted in ((), ("--transport", "auto")):
            source = pair.vm.runner()
            pair.proxy.plan = plan
            status, said = await source.run("migrate", pair.vm.name,
                                            pair.other(source).name, *wanted)
            pair.proxy.heal()
            if status:
                raise Failed(f"it did not move: {said}")
            await pair.settle()
            pair.check_violations()


class Added(cases.Case):
    """Messages that nobody should say now, right after one that is right."""

    def __init__(self, name, message, opened, *bodies):
        super().__init__("added/" + name)
        self.message, self.opened, self.bodies = message, opened, bodies

    async def run(self, pair):
        source, proxy = pair.vm.runner(), pair.proxy
        target = pair.other(source)
        done = []

        async def plan(message):
            proxy.deliver(message)
            if str(message) == self.message and not done:
                done.append(message)
                for body in self.bodies:
                    message.connection.send(self.opened, frame(body))

        proxy.plan = plan
        status, said = await source.run("migrate", pair.vm.name, target.name)
        proxy.heal()
        if not done:
            raise Failed(f"no such message came: {said}")
        await pair.settle()
        if pair.vm.runner() != (source if status else target):
            raise Failed(f"it runs on {pair.vm.runner().name}, and the user "
                         f"was told: {said}")
        pair.check_violations()


class Instead(cases.Case):
    """Of a VM with a lease: something else is said than @message.

    @opened: as if the one who opened the connection had said it
    @where: who runs the VM all the same, "source" or "destination"
    """

    def __init__(self, name, message, opened, where, **body):
        super().__init__("instead/" + name, lease="lease-file")
        self.message, self.opened, self.where = message, opened, where
        self.body = body

    async def run(self, pair):
        source, proxy = pair.vm.runner(), pair.proxy
        nodes = {"source": source, "destination": pair.other(source)}
        done = []

        async def plan(message):
            if str(message) == self.message and not done:
                done.append(message)
                message.connection.send(self.opened, frame({
                    key: value(message.body) if callable(value) else value
                    for key, value in self.body.items()}))
            else:
                proxy.deliver(message)

        proxy.plan = plan
        status, said = await source.run("migrate", pair.vm.name,
                                        nodes["destination"].name)
        proxy.heal()
        if not done:
            raise Failed(f"no such message came: {said}")
        await pair.settle()
        if pair.vm.runner() != nodes[self.where]:
            raise Failed(f"the {self.where} does not run it: {said}")
        if bool(status) != (self.where == "source"):
            raise Failed(f"the user was told, with status {status}: {said}")
        pair.check_violations()


class Strange(cases.Case):
    """A connection of its own to the node that runs the VM.

    @say: a coroutine that is given the Stranger
    """

    def __init__(self, name, say):
        super().__init__("stranger/" + name)
        self.say = say

    async def run(self, pair):
        node = pair.vm.runner()
        before, agent = pair.vm.processes(), node.process.pid
        stranger = Stranger(pair, node)
        await stranger.connect()
        try:
            await self.say(stranger)
        finally:
            stranger.close()
        await pair.must(node, "vm", "list")
        await pair.settle()
        if not node.alive() or node.process.pid != agent:
            raise Failed("the agent has died of it")
        if pair.vm.processes() != before or pair.vm.runner() != node:
            raise Failed("the VM is not where it was")
        pair.check_violations()


def raw(data):
    """Not a message: the agent hangs up, and may say why before."""
    async def say(stranger):
        stranger.send_raw(data)
        await hung_up(stranger)
    return say


async def hung_up(stranger):
    answer = await stranger.receive()
    if answer and answer.get("type") != "refused":
        raise Failed(f"it answered {answer}")
    if answer and await stranger.receive():
        raise Failed("it went on after it had refused")


def greeting(reason, **fields):
    """A greeting that is not taken, because of @reason."""
    async def say(stranger):
        stranger.send(stranger.greeting(**fields))
        answer = await stranger.receive()
        if not answer or reason not in answer.get("reason", ""):
            raise Failed(f"the answer was {answer}")
        await hung_up(stranger)
    return say


def control(expected, *bodies):
    """After a good greeting. @expected: of the last answer, or None."""
    async def say(stranger):
        await stranger.greet()
        answer = None
        for body in bodies:
            if callable(body):
                body = body(stranger)
            stranger.send(body)
        if expected is not None:
            answer = await stranger.receive()
        if expected and expected not in str(answer):
            raise Failed(f"the answer was {answer}")
    return say


def setup(**fields):
    """Of the VM that runs there."""
    def make(stranger):
        vm = stranger.pair.vm
        with open(vm.write_definition(), encoding="ascii") as file:
            text = file.read()
        return {"type": "setup", "token": TOKEN, "vm": vm.name,
                "definition": text, "channels": 1, **fields}
    return make


async def unknown_channel(stranger):
    stranger.send(stranger.greeting("channel", token=TOKEN, index=0))
    await hung_up(stranger)


async def unknown_request(stranger):
    await stranger.greet("request")
    stranger.send({"type": "request", "op": "reboot"})
    answer = await stranger.receive()
    if not answer or answer.get("type") != "refused":
        raise Failed(f"the answer was {answer}")


async def crowd(stranger):
    """Many who say nothing: the agent serves its user all the same."""
    others = [Stranger(stranger.pair, stranger.node) for _ in range(100)]
    try:
        for other in others:
            await other.connect()
        await stranger.pair.must(stranger.node, "vm", "show",
                                 stranger.pair.vm.name)
        await hung_up(others[0])
    finally:
        for other in others:
            other.close()


async def asks_then_begins(stranger):
    """Who heard "aborted" cannot begin again under the same token."""
    query = {"type": "query", "token": TOKEN, "vm": "vm2"}
    await control("aborted", query)(stranger)
    stranger.close()
    await stranger.connect()
    definition = "[vm]\nname = vm2\nmemory = 4M\n"
    await control("failed already", setup(vm="vm2", definition=definition))(
        stranger)


SETUP = "control source setup"
CHANNEL = "channel source greeting"
GREETING = "control source greeting"
COMMIT = "control source commit"
COMMITTED = "control destination committed"
ANSWER = "control destination greeting"
ACCEPTED = "control destination accepted"

CASES = [
    Changed("channel-token", CHANNEL, "", token=TOKEN),
    Changed("channel-index", CHANNEL, "", index=16),
    Changed("channel-twice", CHANNEL, "", index=lambda index: 1 - index),
    Changed("vm", SETUP, "came for VM", vm="vm2"),
    Changed("no-token", SETUP, "lacks something", token=""),
    Changed("short-token", SETUP, "lacks something", token="abcd"),
    Changed("no-channels", SETUP, "lacks something", channels=0),
    Changed("many-channels", SETUP, "lacks something", channels=1000),
    Changed("negative-channels", SETUP, "lacks something", channels=-1),
    Changed("definition", SETUP, "", definition="nonsense"),
    Changed("larger-memory", SETUP, "",
            definition=lambda text: text.replace("4M", "8M")),
    Changed("smaller-memory", SETUP, "",
            definition=lambda text: text.replace("4M", "2M")),
    Changed("huge-memory", SETUP, "",
            definition=lambda text: text.replace("4M", "4T")),
    Changed("options", SETUP, "extra",
            definition=lambda text: text + "extra = -mem-path /tmp\n"),
    Changed("version", GREETING, "version", version=99),
    Changed("unknown-node", GREETING, "does not know", node="c"),
    Changed("same-node", GREETING, "", node="b"),
    Changed("page-size", GREETING, "pages", page_size=65536),
    Changed("vendor", GREETING, "processors", cpu_vendor="Elsewhere"),
    Changed("long-name", GREETING, "", node="n" * 300),
    Changed("answer-of-another", ANSWER, "there is node c", node="c"),
    Changed("unknown-transports", SETUP, "of different versions",
            transports=["carrier-pigeon"]),
    Changed("no-list-of-transports", SETUP, "no list", transports="tcp"),
    Changed("rdma-unasked", ACCEPTED, "not offered", transport="rdma"),
    Changed("answer-version", ANSWER, "version", version=99),
    Older("source", (SETUP, "transports")),
    Older("destination", (ACCEPTED, "transport"), (ACCEPTED, "why")),
    Added("commit-before-loaded", "control destination incoming", True,
          {"type": "commit"}),
    Added("commit-before-channels", SETUP, True, {"type": "commit"}),
    Added("commit-with-another-token", "control destination loaded", True,
          {"type": "commit", "token": TOKEN}),
    Added("commit-of-the-future", "control destination loaded", True,
          {"type": "commit", "epoch": 1 << 62}),
    Added("committed-before-commit", "control destination ready", False,
          {"type": "committed"}, {"type": "announced"}),
    Added("aborted-before-commit", "control destination incoming", False,
          {"type": "aborted", "reason": "no"}),
    Added("loaded-before-memory", "control destination accepted", False,
          {"type": "loaded"}),
    Added("abort-after-commit", "control source commit", True,
          {"type": "abort", "reason": "no"}),
    Added("setup-again", "control destination accepted", True,
          {"type": "setup"}),
    Instead("committed-without-commit", COMMIT, False, "source",
            type="committed"),
    Instead("aborted-without-commit", COMMIT, False, "source",
            type="aborted", reason="no"),
    Instead("commit-without-epoch", COMMIT, True, "source", type="commit"),
    Instead("commit-of-an-old-epoch", COMMIT, True, "source", type="commit",
            epoch=lambda body: body["epoch"] - 1),
    Instead("commit-of-a-future-epoch", COMMIT, True, "source", type="commit",
            epoch=1 << 62),
    Instead("commit-of-no-number", COMMIT, True, "source", type="commit",
            epoch="all"),
    Instead("aborted-after-commit", COMMITTED, False, "destination",
            type="aborted", reason="no"),
    Instead("failed-after-commit", COMMITTED, False, "destination",
            type="failed", reason="no"),
    Strange("length-0", raw(b"\0\0\0\0")),
    Strange("length-4G", raw(b"\xff\xff\xff\xff" + b"x" * 100)),
    Strange("http", raw(b"GET / HTTP/1.1\r\n\r\n")),
    Strange("not-json", raw(frame(b"commit it now"))),
    Strange("json-array", raw(frame(b"[1, 2]"))),
    Strange("json-deep", raw(frame(b'{"a":' * 50 + b"1" + b"}" * 50))),
    Strange("no-greeting", raw(frame({"type": "commit"}))),
    Strange("version", greeting("version", version=0)),
    Strange("unknown-node", greeting("does not know", node="c")),
    Strange("own-name", greeting("", node="a")),
    Strange("no-kind", greeting("what the connection is for", kind=None)),
    Strange("commit", control(None, {"type": "commit"})),
    Strange("abort", control(None, {"type": "abort"})),
    Strange("committed", control(None, {"type": "committed"})),
    Strange("no-type", control("", {"kind": "control"})),
    Strange("unknown-type", control(None, {"type": "nonsense"})),
    Strange("setup-of-what-runs", control("there is a VM", setup())),
    Strange("setup-twice", control(None, setup(), setup())),
    Strange("query-of-a-path", control("refused", {
        "type": "query", "token": TOKEN, "vm": "../../../etc/passwd"})),
    Strange("query-without-token", control("refused", {
        "type": "query", "vm": "vm1"})),
    Strange("query-of-what-runs", control("aborted", {
        "type": "query", "token": TOKEN, "vm": "vm1"})),
    Strange("asks-then-begins", asks_then_begins),
    Strange("channel-of-nothing", unknown_channel),
    Strange("unknown-request", unknown_request),
    Strange("crowd", crowd),
]
