# SPDX-License-Identifier: GPL-2.0
"""Cases on several pairs at once, because most of them wait; KTAP.

A case begins with a VM that runs on one of the nodes and nothing else.
"""

import asyncio
import contextlib
import os
import time
import traceback

from node import Failed, sh
from pair import Pair

FOLDER = "/tmp/agents"
CASE_LIMIT = 600


class Case:
    """run(pair) is a coroutine; it raises Failed if something is wrong."""

    def __init__(self, name, lease="none", cluster=""):
        self.name, self.lease, self.cluster = name, lease, cluster


class Report:
    """KTAP on standard output."""

    def __init__(self, plan):
        self.number = self.failed = 0
        print(f"TAP version 13\n1..{plan}", flush=True)

    def add(self, name, why="", details=()):
        self.number += 1
        self.failed += bool(why)
        for line in ([why] if why else []) + list(details):
            print("#", line)
        print(f"{'not ok' if why else 'ok'} {self.number} {name}", flush=True)


async def run_case(pair, case, report):
    begin = time.monotonic()
    try:
        if (len(pair.guests) > 1 or pair.vm.lease != case.lease or
                pair.cluster != case.cluster or pair.trouble()):
            await pair.begin(case.lease, case.cluster)
        await asyncio.wait_for(case.run(pair), CASE_LIMIT)
    except Exception as err:  # pylint: disable=broad-exception-caught
        details = [] if isinstance(err, Failed) else \
            traceback.format_exc().splitlines()
        report.add(case.name, str(err) or "no end", details + pair.tail())
        await pair.end_all()
    else:
        report.add(f"{case.name} # {time.monotonic() - begin:.1f} s")


@contextlib.contextmanager
def without_kvm():
    """Each agent that starts tries the CPUID hook in KVM, and ftrace takes
    seconds to remove it: with 16 agents on one processor, and half of them
    being killed, all wait for that."""
    loaded = [name for name in ("kvm_amd", "kvm_intel")
              if os.path.isdir("/sys/module/" + name)]
    if loaded:
        sh("modprobe", "-r", "--", *loaded)
    try:
        yield
    finally:
        for name in loaded:
            sh("modprobe", name)


async def work(pair, cases, report):
    try:
        await pair.make()
        while cases:
            await run_case(pair, cases.pop(0), report)
    finally:
        await pair.unmake()


async def run_all(cases, npairs, checks):
    report = Report(len(checks) + len(cases))
    for name, check in checks:
        report.add(name, check())
    os.makedirs(FOLDER, exist_ok=True)
    pairs = [Pair(i, FOLDER) for i in range(min(npairs, len(cases)))]
    with without_kvm():
        await asyncio.gather(*(work(pair, cases, report) for pair in pairs))
    os.rmdir(FOLDER)
    return report.failed
