# SPDX-License-Identifier: GPL-2.0
"""What goes wrong at a message, and how a case goes on from there."""

import asyncio
import contextlib
import os
import signal

# What the receiver does with a message is seen by what it says next; if it
# has nothing to say, it had this long.
ANSWER_S = 0.3
# Longer than every limit on silence.
UNPLUGGED_S = 15
RESTART_S = 1
# A request of the storage may take 10 s.
ASK_S = 60
LOOK_S = 8


class Attempt:
    """One migration with one thing that goes wrong at its @row.

    @fired: the message came and the fault is complete
    """

    def __init__(self, pair, row, fault):
        self.pair, self.row, self.fault = pair, row, fault
        self.source = pair.vm.runner()
        self.destination = pair.other(self.source)
        self.begun = False
        self.fired = asyncio.Event()
        self.tasks = []

    # The proxy's plan

    async def plan(self, message):
        ours = message.connection.opener == self.source.name
        if ours and not self.begun and str(message) == self.row.message:
            self.begun = True
            await FAULTS[self.fault](self, message)
            self.fired.set()
        elif ours and self.row.prelude:
            await self.row.prelude(self, message)
        else:
            self.deliver(message)

    def deliver(self, message):
        self.pair.proxy.deliver(message)

    async def deliver_and_wait(self, message):
        """Until the receiver has said something, or had the time to."""
        proxy = self.pair.proxy
        answer = ("destination" if message.opened else "source") + " "
        before = len(proxy.seen)
        self.deliver(message)
        for _ in range(int(ANSWER_S * 100)):
            if any(f" {answer}" in " " + said.partition(" ")[2] and
                   not said.endswith(" ping")
                   for said in proxy.seen[before:]):
                break
            await asyncio.sleep(0.01)

    def later(self, seconds, call):
        async def wait():
            await asyncio.sleep(seconds)
            call()
        self.tasks.append(asyncio.create_task(wait()))

    # The case

    async def move(self):
        """The migration, and the restart of who was killed; (status, text)."""
        proxy = self.pair.proxy
        proxy.seen.clear()
        proxy.plan = self.plan
        if self.row.prepare:
            self.row.prepare(self)
        mover = asyncio.create_task(
            self.source.run("migrate", self.pair.vm.name, self.destination.name))
        fired = asyncio.create_task(self.fired.wait())
        self.tasks.append(fired)
        await asyncio.wait((mover, fired),
                           return_when=asyncio.FIRST_COMPLETED)
        # The last messages may follow the command's end.
        await asyncio.wait((mover, fired), timeout=RESTART_S)
        for node in self.pair.nodes.values():
            if not node.alive():
                await node.start()
        return await mover

    async def end(self):
        """Nothing of it goes on."""
        await asyncio.gather(*(t for t in self.tasks if self.begun))
        for task in self.tasks:
            task.cancel()
        self.pair.proxy.heal()
        self.pair.vm.clear("@")
        for node in self.pair.nodes.values():
            node.hide_qemu(False)
            if not node.alive():
                await node.start()


def killer(roles, after):
    """Kills agents just before or just after the message is delivered."""
    async def fault(attempt, message):
        if after:
            await attempt.deliver_and_wait(message)
        for role in roles:
            await getattr(attempt, role).kill()
        if not after:
            attempt.deliver(message)
    return fault


def vmm_killer(role):
    async def fault(attempt, message):
        attempt.pair.vm.kill(getattr(attempt, role))
        attempt.deliver(message)
    return fault


async def cut(_attempt, message):
    """The message is lost with its connection."""
    message.connection.cut()


async def cut_after(attempt, message):
    await attempt.deliver_and_wait(message)
    message.connection.cut()


async def silent(_attempt, message):
    """Nothing comes any more, and nobody hears that it is closed."""
    message.connection.silent = True


async def unplugged(attempt, _message):
    """As silent, but for all connections, also new ones; then it is over."""
    attempt.pair.proxy.silence()
    attempt.later(UNPLUGGED_S, attempt.pair.proxy.heal)


async def twice(attempt, message):
    attempt.deliver(message)
    attempt.deliver(message)


async def storage_away(attempt, message):
    """Nobody gets at the lease for longer than a request waits."""
    fd = attempt.pair.vm.lock_lease()
    attempt.later(UNPLUGGED_S, lambda: os.close(fd))
    attempt.deliver(message)


async def handoff_late(attempt, message):
    """The source looks at its lease while what takes it is on its way."""
    vm = attempt.pair.vm
    fd = vm.lock_lease()
    attempt.deliver(message)
    await attempt.pair.wait(ASK_S, "the destination to ask for the lease",
                            attempt.destination.helpers)
    helpers = attempt.destination.helpers()
    for pid in helpers:
        os.kill(pid, signal.SIGSTOP)
    os.close(fd)
    message.connection.cut()
    for _ in range(LOOK_S * 20):
        if attempt.source.name in vm.runners():
            break
        await asyncio.sleep(0.05)
    for pid in helpers:
        # The agent's limit may have ended it.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


async def cancelled(attempt, message):
    """By the user: it may be too late for that."""
    await attempt.source.run("cancel", attempt.pair.vm.name)
    attempt.deliver(message)


BOTH = ("source", "destination")
FAULTS = {
    "source-agent-killed-before": killer(BOTH[:1], False),
    "source-agent-killed-after": killer(BOTH[:1], True),
    "destination-agent-killed-before": killer(BOTH[1:], False),
    "destination-agent-killed-after": killer(BOTH[1:], True),
    "both-agents-killed-before": killer(BOTH, False),
    "both-agents-killed-after": killer(BOTH, True),
    "cut": cut,
    "cut-after": cut_after,
    "silent": silent,
    "unplugged": unplugged,
    "twice": twice,
    "cancelled": cancelled,
    "storage-away": storage_away,
    "handoff-late": handoff_late,
    "source-vmm-killed": vmm_killer("source"),
    "destination-vmm-killed": vmm_killer("destination"),
}


def fits(fault, lease, row):
    """Can it go wrong at that message?"""
    if fault == "handoff-late":
        return lease != "none" and row.name == "commit"
    return fault != "storage-away" or lease != "none"
