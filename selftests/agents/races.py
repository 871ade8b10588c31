# SPDX-License-Identifier: GPL-2.0
"""Users who want two things at once."""

import asyncio
import os

import cases
from node import Failed

ROUNDS = 3


class Race(cases.Case):
    """@function: a coroutine that is given the pair."""

    def __init__(self, function, lease="none"):
        super().__init__(function.__name__.replace("_", "-"), lease)
        self.function = function

    async def run(self, pair):
        await self.function(pair)
        await pair.settle()
        pair.check_violations()
        await pair.move_on()


def check_where(guest, begin, status, said):
    """A user is told the truth."""
    expected = begin if status else guest.pair.other(begin)
    if guest.runner() != expected:
        raise Failed(f"{guest.name} runs on {guest.runner().name}, and the "
                     f"user was told: {said}")


async def opposite_directions(pair):
    """Each of two VMs wants to where the other one is."""
    second = await pair.add_guest("vm2", pair.other(pair.vm.runner()))
    for _ in range(ROUNDS):
        guests = [(guest, guest.runner()) for guest in (pair.vm, second)]
        told = await asyncio.gather(*(
            node.run("migrate", guest.name, pair.other(node).name)
            for guest, node in guests))
        await pair.settle()
        for (guest, node), (status, said) in zip(guests, told):
            check_where(guest, node, status, said)


async def two_vms_one_way(pair):
    second = await pair.add_guest("vm2", pair.vm.runner())
    node = pair.vm.runner()
    told = await asyncio.gather(*(
        node.run("migrate", guest.name, pair.other(node).name)
        for guest in (pair.vm, second)))
    await pair.settle()
    for guest, (status, said) in zip((pair.vm, second), told):
        check_where(guest, node, status, said)


async def same_vm_twice(pair):
    for _ in range(ROUNDS):
        node = pair.vm.runner()
        told = await asyncio.gather(*(
            node.run("migrate", pair.vm.name, pair.other(node).name)
            for _ in range(2)))
        await pair.settle()
        if sorted(bool(status) for status, _ in told) != [False, True]:
            raise Failed(f"not one of two was refused: {told}")


async def same_vm_from_two_sides(pair):
    """It cannot come from where it is going to."""
    for _ in range(ROUNDS):
        node = pair.vm.runner()
        other = pair.other(node)
        (status, said), (wrong, _) = await asyncio.gather(
            node.run("migrate", pair.vm.name, other.name),
            other.run("migrate", pair.vm.name, node.name))
        await pair.settle()
        if wrong:
            check_where(pair.vm, node, status, said)
        elif status or pair.vm.runner() != node:
            raise Failed(f"moved to and fro, and runs on "
                         f"{pair.vm.runner().name}: {said}")


async def during(pair, message, command):
    """A move during which, at @message, each node is told @command."""
    source, proxy = pair.vm.runner(), pair.proxy
    done = []

    async def plan(found):
        if str(found) == message and not done:
            done.append(found)
            for node in (source, pair.other(source)):
                status, said = await node.run(*command)
                if not status:
                    done.append(f"{node.name}: {' '.join(command)}: "
                                f"{said or 'done'}")
        proxy.deliver(found)

    proxy.plan = plan
    status, said = await source.run("migrate", pair.vm.name,
                                    pair.other(source).name)
    proxy.heal()
    if status or len(done) != 1:
        raise Failed(f"done meanwhile: {done[1:]}; {said}")


async def commands_during_a_move(pair):
    """Nothing of this is for a VM that moves, on either side."""
    name = pair.vm.name
    commands = (("vm", "define", pair.vm.write_definition()),
                ("vm", "undefine", name), ("vm", "start", name),
                ("vm", "stop", name), ("vm", "stop", name, "--force"),
                ("migrate", name, "a"), ("migrate", name, "b"))
    messages = ("control destination incoming", "control destination loaded")
    # One at a time: the kernel waits 30 s for what is held back here.
    for number, command in enumerate(commands):
        await during(pair, messages[number % 2], command)
        await pair.settle()


async def stop_before_a_new_agent_has_read_the_lease(pair):
    """It is given back, though the agent did not know yet that it has it."""
    node, name = pair.vm.runner(), pair.vm.name
    lock = pair.vm.lock_lease()
    await node.kill()
    await node.start()
    stop = asyncio.create_task(node.run("vm", "stop", name, "--force"))
    await pair.wait(30, "QEMU to die", lambda: not pair.vm.processes())
    os.close(lock)
    status, said = await stop
    if status or pair.vm.holder():
        raise Failed(f"stopped, and its lease says "
                     f"'{pair.vm.holder()}': {said}")
    await pair.must(node, "vm", "start", name)


async def resume_before_a_new_agent_has_read_the_lease(pair):
    """A VM that stands still goes on when the lease says so, and not before."""
    node, proxy = pair.vm.runner(), pair.proxy
    lock = []

    async def plan(message):
        if str(message) == "control destination loaded" and not lock:
            await node.kill()
            lock.append(pair.vm.lock_lease())
        proxy.deliver(message)

    proxy.plan = plan
    await node.run("migrate", pair.vm.name, pair.other(node).name)
    proxy.heal()
    begin = len(node.read_log())
    await node.start()
    await pair.wait(60, "the agent to miss the lease",
                    lambda: "until its lease can be read" in
                    node.read_log()[begin:])
    if pair.vm.runners():
        raise Failed("the VM goes on before its lease was read")
    os.close(lock[0])


async def start_while_the_lease_is_released(pair):
    """The lease of a VM that is off; a start then has to be answered."""
    node, name = pair.vm.runner(), pair.vm.name
    await pair.must(node, "vm", "stop", name, "--force")
    lock = pair.vm.lock_lease()
    stop = asyncio.create_task(node.run("vm", "stop", name))
    said = ""
    while "being asked" not in said and not stop.done():
        _, said = await node.run("vm", "define", pair.vm.write_definition())
    starts = [asyncio.create_task(node.run("vm", "start", name))
              for _ in range(2)]
    # One is refused as the other one is there.
    await asyncio.wait(starts, return_when=asyncio.FIRST_COMPLETED)
    os.close(lock)
    await stop
    told = await asyncio.gather(*starts)
    if sorted(bool(status) for status, _ in told) != [False, True]:
        raise Failed(f"not one of two starts was refused: {told}")


async def check_of_another_lease(pair):
    """Both nodes read it, and one that reads another one is told of."""
    node, name = pair.vm.runner(), pair.vm.name
    other = pair.other(node).name

    async def change(message):
        lease = message.body.get("lease")
        raw = message.changed(lease={**lease, "epoch": 99}) if lease else None
        pair.proxy.deliver(message, raw)

    said = await pair.must(node, "check", name, other)
    if f"lease-file, read here: node {node.name} holds it" not in said:
        raise Failed(f"the lease was not read on node {other}: {said}")
    pair.proxy.plan = change
    status, said = await node.run("check", name, other)
    pair.proxy.heal()
    if not status or "epoch 99: do both nodes see" not in said:
        raise Failed(f"status {status} for another lease: {said}")
    lock = pair.vm.lock_lease()
    status, said = await node.run("check", name, other)
    os.close(lock)
    if not status or ".img.lease" not in said:
        raise Failed(f"status {status} for a lease out of reach: {said}")


CASES = [Race(function) for function in (
    opposite_directions, two_vms_one_way, same_vm_twice,
    same_vm_from_two_sides, commands_during_a_move)]
CASES += [Race(function, "lease-file") for function in (
    stop_before_a_new_agent_has_read_the_lease,
    resume_before_a_new_agent_has_read_the_lease,
    start_while_the_lease_is_released, check_of_another_lease)]
