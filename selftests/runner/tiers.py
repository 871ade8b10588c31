# SPDX-License-Identifier: GPL-2.0
"""How the tests of each tier are run."""

import os
import re
import threading
import time

from ktap import Verdict, judge
from lab import LOST_STATUS, TIMEOUT_STATUS, Lab, run_here
from tests import LAB_FACTOR

# KASAN and lockdep under emulation: a boot takes 27 s instead of 5.
DEBUG_FACTOR = 4
# What a kernel says when it found something wrong.
TROUBLE = re.compile(
    r"WARNING:|BUG:|Bad page|Bad rss|Oops|possible .*deadlock|KASAN:|"
    r"kmemleak: [1-9]|INFO: task .* blocked|general protection|refcount_t:|"
    r"list_(add|del) corruption|suspicious RCU")


def run_t0(tests, report, top):
    for test in tests:
        begin = time.monotonic()
        env = dict(os.environ, TOP=top)
        status, said = run_here([test.path], test.timeout,
                                os.path.dirname(test.path), env)
        report.add(f"t0/{test.name}", judge(said, status, test.timeout), said,
                   time.monotonic() - begin)


class HostTier:
    """T1: one host of one kernel, on which the tests run one by one."""

    def __init__(self, kernel, host, tests, report, lab, top):
        self.kernel, self.host, self.tests = kernel, host, tests
        self.report, self.lab, self.top = report, lab, top
        self.factor = LAB_FACTOR
        self.spec = f"{host}:{kernel}"
        if kernel == "debug":
            self.factor *= DEBUG_FACTOR
            self.spec += ":mem=3G"

    def title(self, name):
        return f"t1/{self.kernel}/{name}"

    def boot(self):
        self.lab.stop(self.host)
        trouble = self.lab.start("--no-agent", self.spec)
        if not trouble and self.kernel == "debug":
            self.lab.run(self.host, 60,
                         "echo clear >/sys/kernel/debug/kmemleak")
        return trouble

    def run_test(self, test):
        limit = test.timeout * self.factor
        begin = time.monotonic()
        status, said = self.lab.run(self.host, limit, "env", "VMIG_TOP="
                                    + self.top, "VMIG_KERNEL=" + self.kernel,
                                    "RDMA=" + os.environ.get("RDMA", ""),
                                    "bash", "-c", 'cd "${0%/*}" && exec "$0"',
                                    test.path)
        verdict = judge(said, status, limit)
        if status == LOST_STATUS:
            verdict.failed = [f"host {self.host} went down"]
        self.report.add(self.title(test.name), verdict, said,
                        time.monotonic() - begin)
        # A test that had to be killed may have left anything behind.
        return status not in (LOST_STATUS, TIMEOUT_STATUS)

    def check(self, name, line):
        """One result of the runner's own: the line must succeed silently."""
        begin = time.monotonic()
        status, said = self.lab.run(self.host, 60 * self.factor, line)
        verdict = Verdict()
        (verdict.failed if status else verdict.passed).append(name)
        self.report.add(self.title(name), verdict, said,
                        time.monotonic() - begin)
        return status == 0

    def check_end(self):
        self.check("module-unloads",
                   "umount -a -t vmigfs && rmmod vmig")
        if self.kernel == "debug":
            # An object is reported when two scans in a row find it lost.
            self.check("no-leak", "cd /sys/kernel/debug && echo scan "
                       ">kmemleak && sleep 6 && echo scan >kmemleak && "
                       "cat kmemleak && ! grep -q . kmemleak")
        self.check("kernel-log-is-clean",
                   f"! dmesg | grep -E '{TROUBLE.pattern}'")

    def fail_all(self, tests, why):
        for test in tests:
            self.report.add(self.title(test.name),
                            Verdict(failed=["the host did not start"]), why,
                            0)

    def run(self):
        up = False
        for index, test in enumerate(self.tests):
            if not up:
                trouble = self.boot()
                if trouble:
                    self.fail_all(self.tests[index:], trouble)
                    self.lab.stop(self.host)
                    return
            up = self.run_test(test)
            if self.lab.closed:
                return
        if up:
            self.check_end()
        self.lab.stop(self.host)


def run_t1(tests, kernels, report, lab, top):
    threads = []
    for host, kernel in zip("ab", kernels):
        here = [test for test in tests if len(kernels) == 1
                or not test.kernels or kernel in test.kernels]
        tier = HostTier(kernel, host, here, report, lab, top)
        threads.append(threading.Thread(target=tier.run, daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lab.stop()


def judge_hosts(lab, verdict):
    """No host may be down, nor its kernel have complained."""
    for host, up in lab.hosts().items():
        if not up:
            verdict.failed.append(f"host {host} went down")
            continue
        status, said = lab.run(host, 60, "dmesg")
        found = [line for line in said.splitlines() if TROUBLE.search(line)]
        if status or found:
            verdict.failed.append(f"the kernel of host {host} complained: "
                                  + "; ".join(found))


def run_t2(tests, kernel, report, lab: Lab, top):
    for test in tests:
        for pair in ([f"{kernel}+{kernel}"] if kernel else test.kernels):
            first, _, second = pair.partition("+")
            limit = test.timeout * LAB_FACTOR
            begin = time.monotonic()
            env = dict(lab.env, TOP=top, KERNEL_A=first,
                       KERNEL_B=second or first)
            status, said = run_here([test.path], limit,
                                    os.path.dirname(test.path), env)
            verdict = judge(said, status, limit)
            judge_hosts(lab, verdict)
            if verdict.failed:
                said += lab.logs_tail()
            lab.stop()
            report.add(f"t2/{pair}/{test.name}", verdict, said,
                       time.monotonic() - begin)
