# SPDX-License-Identifier: GPL-2.0
"""Guests that benchmarks move between two hosts of the lab, and how they fare.

CPU time is what a host was busy beside running guests, from /proc/stat, over
the whole migration with the start of the destination's QEMU.
"""

import json
import os
import statistics
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
LAB = os.path.join(TOP, "selftests/lab/lab")
AGENT = os.path.join(TOP, "build/agent/vmig-agent")
GUEST = os.path.join(TOP, "build/selftests/guest")
GUESTCTL = os.path.join(TOP, "selftests/guest/guestctl")
SHARE = os.path.join(TOP, "build", "lab" if os.environ.get("LAB", "vmig") ==
                     "vmig" else f"lab-{os.environ['LAB']}", "share")
GIB = 1 << 30
LIMIT = 600
KERNEL_LINE = ("console=ttyS0 quiet panic=-1 mitigations=off gw=10.77.0.254 "
               "vmig.report=0 vmig.mem=80% ")


def call(*command, limit=LIMIT):
    done = subprocess.run(command, capture_output=True, text=True,
                          timeout=limit, check=False)
    if done.returncode:
        sys.exit(f"bench: {' '.join(command)}: exit status {done.returncode}\n"
                 f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def on(host, *command):
    return call(LAB, "run", "-t", str(LIMIT), host, *command)


def switch(*command):
    return call(LAB, "switch", *command)


def busy(host):
    """Seconds of processor time so far, without what guests used."""
    fields = [int(n) for n in on(host, "head -n 1 /proc/stat").split()[1:]]
    user, nice, system, _, _, irq, softirq, _, guest, guest_nice = fields[:10]
    ticks = user + nice + system + irq + softirq - guest - guest_nice
    return ticks / os.sysconf("SC_CLK_TCK")


def start_hosts(memory, *options):
    """Two hosts, which can hold guests of so many bytes in all."""
    call("make", "-s", "-C", os.path.join(TOP, "selftests/guest"), f"O={GUEST}")
    call(LAB, "stop")
    mem = (memory >> 20) + 1024
    call(LAB, "start", *options, f"a:mem={mem}M", f"b:mem={mem}M")
    for host in ("a", "b"):
        on(host, f"cp {GUEST}/vmlinux {GUEST}/initramfs.cpio /tmp/")


class Guest:
    """A guest that judges itself; it is asked over the switch."""

    def __init__(self, name, address, mac, options):
        self.name = name
        self.address = address
        self.mac = mac
        self.memory = options.memory
        mode = f"vmig.rate={options.rate}" if options.rate else "vmig.mode=idle"
        self.line = f"{KERNEL_LINE}{mode} ip={address}/24"
        self.host = "a"
        # What the scripts that drive the mover used; not the mover's.
        self.driver = {"a": 0.0, "b": 0.0}

    def ctl(self, command):
        return json.loads(switch(GUESTCTL, self.address, command))

    def wait_filled(self):
        until = time.monotonic() + 120
        while True:
            done = subprocess.run([LAB, "switch", GUESTCTL, self.address,
                                   "verdict"], capture_output=True, text=True,
                                  env={**os.environ, "GUESTCTL_LIMIT": "3"},
                                  check=False)
            if not done.returncode and json.loads(done.stdout)["filled"]:
                return
            if time.monotonic() > until:
                sys.exit(f"bench: waited 120 s for guest {self.name} to fill "
                         f"its memory")
            time.sleep(0.2)

    def signal(self, name):
        on(self.host, f"kill -{name} $(cat {self.pidfile()})")

    def measure(self, *how):
        """Move to the other host; how the guest and both hosts fared."""
        there = "b" if self.host == "a" else "a"
        self.ctl("reset")
        before = busy(self.host), busy(there)
        run = self.move(there, *how)
        after = busy(self.host), busy(there)
        # One more second: what is late on the destination is felt too.
        time.sleep(1)
        verdict = self.ctl("verdict")
        if verdict["bad"]:
            sys.exit(f"bench: guest {self.name} found bad bytes: {verdict}")
        gib = self.memory / GIB
        run["wire"] /= self.memory
        run["stall"] = verdict["longest_stall_ms"]
        run["cpu_source"] = (after[0] - before[0] -
                             self.driver[self.host]) / gib
        run["cpu_destination"] = (after[1] - before[1] -
                                  self.driver[there]) / gib
        self.host = there
        return run


class VmigGuest(Guest):
    def start(self):
        path = os.path.join(SHARE, f"{self.name}.ini")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"[vm]\nname = {self.name}\nmemory = {self.memory}\n"
                       f"machine = pc\ncpu = host\nbios = /usr/share/qemu/qboot.rom\n"
                       f"kernel = /tmp/vmlinux\n"
                       f"initrd = /tmp/initramfs.cpio\ncmdline = {self.line}\n"
                       f"[nic lan]\nmac = {self.mac}\nbridge = br0\n"
                       f"addresses = {self.address}\n")
        on("a", AGENT, "vm", "define", f"/mnt/share/{self.name}.ini")
        on("a", AGENT, "vm", "start", self.name)

    def pidfile(self):
        return f"/run/vmig-agent/{self.name}/pid"

    def move(self, there, *how):
        report = json.loads(on(self.host, AGENT, "migrate", self.name, there,
                               "--json", *how))
        stages = {s["stage"]: s for s in report["stages"]}
        # The VM runs there when the last stage begins, as QEMU counts, too.
        return {"total": stages["network"]["start_us"] / 1e6,
                "blackout": report["blackout_us"] / 1e3,
                "wire": report["counters"]["wire_bytes"],
                "memory_s": stages["memory"]["duration_us"] / 1e6}


def spread(values, form):
    return (f"{form.format(statistics.median(values))} "
            f"({form.format(min(values))}-{form.format(max(values))})")


def size(text):
    return int(text[:-1]) << {"M": 20, "G": 30}[text[-1].upper()]
