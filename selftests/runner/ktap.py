# SPDX-License-Identifier: GPL-2.0
"""Reads what a test printed, in KTAP, and decides what it means.

A test is believed only as far as its own words go: a plan that was not
fulfilled, a bad exit status without a failed result, a run into its limit and
silence are failures of their own, whatever was printed.
"""

import re
from dataclasses import dataclass, field

SKIP_STATUS = 4
TIMEOUT_STATUS = 124

RESULT = re.compile(r"^(not )?ok\b\s*(\d+)?\s*-?\s*(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)(?:\s*#\s*SKIP\b\s*(.*))?", re.IGNORECASE)
DIRECTIVE = re.compile(r"#\s*(SKIP|TODO|XFAIL)\b\s*(.*)$", re.IGNORECASE)


@dataclass
class Verdict:
    passed: list = field(default_factory=list)
    failed: list = field(default_factory=list)
    skipped: list = field(default_factory=list)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def counts(self):
        return (f"{len(self.passed)} passed, {len(self.failed)} failed, "
                f"{len(self.skipped)} skipped")


def read_line(line, verdict):
    """One result line; returns whether it was one."""
    found = RESULT.match(line)
    if not found:
        return False
    directive = DIRECTIVE.search(found[3])
    what = DIRECTIVE.sub("", found[3]).strip() or f"result {found[2] or '?'}"
    kind = directive[1].upper() if directive else ""
    if kind == "SKIP":
        verdict.skipped.append(f"{what}: {directive[2]}".rstrip(": "))
    elif found[1] and not kind:
        verdict.failed.append(what)
    else:
        verdict.passed.append(what)
    return True


def judge(text, status, limit):
    """The verdict on a test that printed text and ended with status."""
    verdict = Verdict()
    results, plan = 0, None
    for line in text.splitlines():
        planned = PLAN.match(line)
        if planned and plan is None:
            plan = int(planned[1])
            if plan == 0:
                verdict.skipped.append(planned[2] or "nothing to test")
                results += 1
        else:
            results += read_line(line, verdict)
    if status == TIMEOUT_STATUS:
        verdict.failed.append(f"no end within its limit of {limit:g} s")
    elif status == SKIP_STATUS and not results:
        verdict.skipped.append("the test skipped itself")
    elif not results:
        verdict.failed.append(f"printed no result (exit status {status})")
    elif plan is not None and plan > results:
        verdict.failed.append(f"planned {plan} results, printed {results}")
    elif status not in (0, SKIP_STATUS) and not verdict.failed:
        verdict.failed.append(f"exit status {status}, though nothing failed")
    return verdict
