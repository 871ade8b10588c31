# SPDX-License-Identifier: GPL-2.0
"""One emulated host: how it is asked for, started, watched and stopped."""

import glob
import json
import os
import re
import shutil
import signal
import subprocess
import time

import image
import settings
import switch
from settings import LabError

CONSOLE_TAIL = 40


def parse(spec):
    """'b:6.1:mem=3G:cpu=Opteron_G3:smp=2', each part after b optional."""
    name, *parts = spec.split(":")
    if not re.fullmatch("[a-z]", name):
        raise LabError(f"host {name!r}: hosts are called a to z")
    env = os.environ
    want = {"kernel": env.get("KERNEL", ""), "cpu": env.get("CPU", "EPYC"),
            "mem": env.get("MEM", "2G"), "smp": env.get("SMP", "1,maxcpus=2"),
            "disk": ""}
    for part in parts:
        key, is_option, value = part.partition("=")
        if not is_option:
            key, value = "kernel", part
        if key not in want:
            raise LabError(f"host {spec}: {key!r} is not kernel, cpu, mem, "
                           "smp or disk")
        want[key] = value
    return Host(name), want


def started_at(pid):
    """A process's start time, so that a reused id is not mistaken for it."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if fields[0] == "Z" else fields[19]


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def tsc_khz():
    """Measured here, where there is no emulator that may stand still."""
    done = subprocess.run([settings.TSC], capture_output=True, text=True,
                          check=True)
    return done.stdout.strip()


class Host:
    def __init__(self, name):
        self.name = name
        self.state_file = os.path.join(settings.RUN, name + ".json")
        self.console = os.path.join(settings.DIR, name + ".console")
        self.qmp = os.path.join(settings.RUN, name + ".qmp")
        self.disk = os.path.join(settings.DIR, name + ".disk")
        self.problem_file = self.shared("problems")
        self.process = None

    def shared(self, what):
        return os.path.join(settings.SHARE, ".lab", f"{self.name}.{what}")

    def state(self):
        try:
            with open(self.state_file, encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return None

    def alive(self):
        if self.process:
            self.process.poll()
        state = self.state()
        return bool(state) and started_at(state["pid"]) == state["started"]

    def problems(self):
        try:
            with open(self.problem_file, encoding="utf-8") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def console_tail(self):
        try:
            with open(self.console, encoding="utf-8",
                      errors="replace") as file:
                return "".join(file.readlines()[-CONSOLE_TAIL:])
        except FileNotFoundError:
            return ""

    def configure(self, want, release, peers, load):
        """What host-init and the agent read in the host."""
        folder = image.kernel_fact("modules", want["kernel"])
        write(self.shared("env"),
              f"TOP='{settings.TOP}'\nKVER='{release}'\nMODULES='{folder}'\n"
              f"ADDRESS={settings.address(self.name)}\nLOAD={load}\n"
              f"DISK={want['disk']}\n"
              f"AGENT_OPTIONS='{settings.AGENT_OPTIONS}'\n")
        others = "".join(f"{p} = {settings.address(p)}\n"
                         for p in sorted(peers) if p != self.name)
        write(self.shared("conf"),
              f"[node]\nname = {self.name}\n"
              f"address = {settings.address(self.name)}\n\n"
              # The experiment's only network is the guests' bridge as well.
              f"[cluster]\nname = lab\nkey = {settings.CLUSTER_KEY}\nwaive = migration-network\n\n"
              f"[peers]\n{others}")
        if os.path.exists(self.problem_file):
            os.unlink(self.problem_file)

    def disk_options(self, size):
        """Made once. What the host has not synced is lost with its power."""
        if not size:
            return []
        if not os.path.exists(self.disk):
            done = subprocess.run(
                ["mkfs.ext4", "-q", "-F", self.disk, size],
                capture_output=True, text=True, check=False)
            if done.returncode:
                raise LabError(f"no disk for host {self.name}: {done.stderr}")
        return ["-drive", f"file={self.disk},format=raw,if=none,id=disk",
                "-device", "virtio-blk-pci,drive=disk"]

    def command(self, want):
        append = os.environ.get("APPEND", "")
        if want["kernel"] == "debug":
            # With every allocation watched, the firmware's table of interrupt
            # routes takes half a minute for each device; none needs it.
            append += " acpi=noirq"
        cpu = want["cpu"]
        # Before 8.0 QEMU computes the flags after CMPXCHG16B from stale state;
        # an interrupt right there is a double fault, seen in SLUB, which
        # does without the instruction when the processor has none.
        if "," not in cpu:
            cpu += ",+svm,+npt,-cx16"
        mac = f"52:54:00:77:00:{settings.number(self.name):02x}"
        return [
            "qemu-system-x86_64", "-name", f"{settings.LAB}-{self.name}",
            # One processor that could be two: QEMU emulates the barriers of
            # a machine that may have only one too weakly for its I/O threads.
            "-accel", "tcg,thread=multi", "-smp", want["smp"],
            "-M", "pc", "-cpu", cpu, "-m", want["mem"],
            "-nodefaults", "-nographic", "-no-reboot",
            "-serial", "file:" + self.console,
            "-qmp", f"unix:{self.qmp},server=on,wait=off",
            "-kernel", image.vmlinux(want["kernel"]),
            "-initrd", image.initramfs(want["kernel"]),
            "-append", "console=ttyS0 quiet panic=-1 panic_on_warn=1 "
            "net.ifnames=0 mitigations=off tsc=reliable "
            f"tsc_early_khz={tsc_khz()} "
            f"lab.host={self.name} {append}",
            "-virtfs", "local,path=/,mount_tag=root,security_model=none,"
            "readonly=on,multidevs=remap",
            "-virtfs", f"local,path={settings.SHARE},mount_tag=share,"
            "security_model=none",
            "-netdev", "user,id=control,restrict=on,hostfwd=tcp:127.0.0.1:"
            f"{7000 + settings.number(self.name)}-:77",
            "-device", "virtio-net-pci,netdev=control,romfile=",
            "-netdev", f"tap,id=lan,ifname={switch.tap(self.name)},"
            "script=no,downscript=no",
            "-device", f"virtio-net-pci,netdev=lan,romfile=,mac={mac}",
        ] + self.disk_options(want["disk"])

    def launch(self, want, peers, load):
        release = image.kernel_fact("version", want["kernel"])
        self.configure(want, release, peers, load)
        command = self.command(want)
        switch.add_tap(self.name)
        log = os.path.join(settings.DIR, self.name + ".emulator")
        if not shutil.which(command[0]):
            raise LabError(f"{command[0]} is not installed: run 'make deps'")
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True)
        want.update(pid=self.process.pid, release=release,
                    started=started_at(self.process.pid), load=load)
        write(self.state_file, json.dumps(want))

    def death(self):
        """Why the host is no more, for a person to read."""
        tail = self.console_tail()
        if not tail:
            try:
                with open(os.path.join(settings.DIR, self.name + ".emulator"),
                          encoding="utf-8") as file:
                    tail = file.read()
            except FileNotFoundError:
                pass
        return f"host {self.name} died; its console ends in\n{tail}"

    def stop(self):
        state = self.state()
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.alive():
                break
            os.kill(state["pid"], number)
            end = time.monotonic() + 5
            while self.alive() and time.monotonic() < end:
                time.sleep(0.02)
        if state:
            os.unlink(self.state_file)


def forget_disks():
    """A lab that is started anew starts with empty ones."""
    for path in glob.glob(os.path.join(settings.DIR, "[a-z].disk")):
        os.unlink(path)


def known():
    """Every host that was started and not stopped, dead or alive."""
    try:
        names = os.listdir(settings.RUN)
    except FileNotFoundError:
        return []
    return [Host(n[0]) for n in sorted(names) if re.fullmatch(
        r"[a-z]\.json", n)]
