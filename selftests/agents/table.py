# SPDX-License-Identifier: GPL-2.0
"""The table of failures: every message of a migration x everything that can
go wrong at it.
"""

import asyncio

import cases
import rows
from faults import FAULTS, Attempt, fits
from node import Failed
from pair import SLOW

TRIES = 3


class Cell(cases.Case):
    """One of the table."""

    def __init__(self, lease, row, fault):
        super().__init__(f"{lease}/{row.name}/{fault}", lease)
        self.row, self.fault = row, fault

    def may_be_lost(self):
        """A VM whose QEMU is killed, where it was the VM."""
        if self.fault == "source-vmm-killed":
            return self.row.phase != rows.AFTER
        if self.fault == "destination-vmm-killed":
            return self.row.phase != rows.BEFORE
        return False

    async def run(self, pair):
        for _ in range(TRIES):
            attempt = Attempt(pair, self.row, self.fault)
            status, said = await attempt.move()
            await attempt.end()
            if attempt.begun or SLOW not in said:
                break
        if not attempt.begun:
            raise Failed(f"no such message came: {pair.proxy.seen}; {said}")
        strangers = [name for name in pair.proxy.seen
                     if name.split()[2] not in rows.KNOWN]
        if strangers:
            raise Failed(f"messages that no row has: {strangers}")
        if self.may_be_lost():
            await start_lost(pair)
        await pair.settle()
        self.check_answer(attempt, status, said)
        pair.check_violations()
        await pair.move_on()

    def check_answer(self, attempt, status, said):
        """What the user was told is so, unless nobody was left to know."""
        if any(word in self.fault for word in ("source-agent", "both",
                                               "vmm")):
            return
        expected = attempt.source if status else attempt.destination
        seen = attempt.pair.vm.runner()
        if seen != expected:
            raise Failed(f"the VM runs on {seen.name}, and the user was told: "
                         + said.splitlines()[0])


async def start_lost(pair):
    """Where nobody runs it for good, the one who has it may start it."""
    vm = pair.vm
    while pair.trouble():
        owners = vm.owners()
        if not vm.processes() and len(owners) == 1:
            said = await pair.must(pair.nodes[owners[0]], "vm", "list")
            if "stopped" in said and not vm.processes():
                await pair.must(pair.nodes[owners[0]], "vm", "start", vm.name)
        await asyncio.sleep(0.1)


def check_rows():
    missing, idle = rows.unknown()
    return (f"no row has {missing}, nobody says {idle}"
            if missing or idle else "")


CHECKS = [("the table has every message that agents say", check_rows)]
CASES = [[Cell(lease, row, fault) for fault in FAULTS
          if fits(fault, lease, row)]
         for lease in rows.LEASES for row in rows.ROWS if lease in row.leases]
