# SPDX-License-Identifier: GPL-2.0
"""A node: a network namespace with an agent, its folders and its vmigfs."""

import asyncio
import os
import shutil
import signal
import subprocess

TOP = os.environ.get("VMIG_TOP") or os.path.dirname(os.path.dirname(
    os.path.dirname(os.path.abspath(__file__))))
AGENT = os.path.join(TOP, "build/agent/vmig-agent")
STANDIN = (os.environ.get("STANDIN") or
           os.path.join(TOP, "build/selftests/agents/standin"))
PORT = 7000
# So that the proxy can read what they say.
INSECURE = ("--insecure", "--insecure-network")
# Seen: 0.3 s alone, 4 s with 16 agents on one emulated processor.
START_LIMIT = 60


class Failed(Exception):
    """What a case found wrong, in one sentence."""


def sh(*command):
    """A command that sets up or tears down; must work."""
    done = subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(command)}: {done.stdout.strip()}")


class Node:
    """One of the two of a pair; peers are reached through the proxy only."""

    def __init__(self, pair, name, number):
        self.pair, self.name = pair, name
        self.netns = f"agents{pair.index}{name}"
        self.address = f"{pair.subnet}.{number}"
        self.folder = os.path.join(pair.folder, name)
        self.log = os.path.join(self.folder, "agent.log")
        self.process = None
        self.insecure = True

    def path(self, *words):
        return os.path.join(self.folder, *words)

    def enter(self, *command):
        return ("nsenter", f"--net=/run/netns/{self.netns}", *command)

    # Setting up

    def make(self):
        """The namespace, joined to the pair's bridge."""
        inside, outside = "eth0", f"ag{self.pair.index}{self.name}"
        sh("ip", "netns", "add", self.netns)
        sh("ip", "link", "add", outside, "type", "veth", "peer", "name",
           inside, "netns", self.netns)
        sh("ip", "link", "set", outside, "master", self.pair.bridge, "up")
        for line in (("link", "set", "lo", "up"),
                     ("addr", "add", self.address + "/24", "dev", inside),
                     ("link", "set", inside, "up")):
            sh("ip", "-n", self.netns, *line)
        os.makedirs(self.path("memory"))
        sh(*self.enter("mount", "-t", "vmigfs", "vmig", self.path("memory")))

    def write_conf(self, peer, proxy_port, cluster=""):
        with open(self.path("agent.conf"), "w", encoding="ascii") as file:
            file.write(f"[node]\nname = {self.name}\n"
                       f"address = {self.address}\nport = {PORT}\n"
                       f"definitions = {self.path('vms')}\n"
                       f"run = {self.path('run')}\n"
                       f"state = {self.path('state')}\n"
                       f"memory = {self.path('memory')}\n"
                       f"qemu = {self.path('qemu')}\naccel = tcg\n"
                       f"{cluster}[peers]\n{peer.name} = "
                       f"{self.pair.proxy_address}:{proxy_port}\n")
        self.hide_qemu(False)

    def unmake(self):
        for command in (("umount", self.path("memory")),
                        ("ip", "netns", "del", self.netns)):
            subprocess.run(command, stderr=subprocess.DEVNULL, check=False)

    def wipe(self):
        """Nothing is left of any VM; the agent is down. False: try again."""
        for folder in ("vms", "run", "state"):
            shutil.rmtree(self.path(folder), ignore_errors=True)
        for vm in os.listdir(self.path("memory")):
            shutil.rmtree(self.path("memory", vm), ignore_errors=True)
        return not os.listdir(self.path("memory"))

    def hide_qemu(self, hidden):
        """Without it the node refuses what arrives."""
        if os.path.islink(self.path("qemu")):
            os.unlink(self.path("qemu"))
        if not hidden:
            os.symlink(STANDIN, self.path("qemu"))

    # The agent

    async def start(self):
        env = dict(os.environ, STANDIN_FOLDER=self.pair.folder,
                   STANDIN_NODE=self.name)
        begin = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        with open(self.log, "a", encoding="utf-8") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.enter(AGENT, "--config", self.path("agent.conf"),
                            "daemon", *(INSECURE if self.insecure else ())),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        for _ in range(START_LIMIT * 50):
            if " listens on " in self.read_log(begin):
                return
            if self.process.returncode is not None:
                break
            await asyncio.sleep(0.02)
        raise Failed(f"the agent of node {self.name} did not start: "
                     + self.read_log(begin).strip()[-300:])

    def alive(self):
        return self.process and self.process.returncode is None

    async def kill(self):
        if self.alive():
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()

    def helpers(self):
        """Its processes that ask the storage; see agent/storage/lease_op.c."""
        pid = self.process.pid
        done = subprocess.run(["pgrep", "-P", str(pid)], text=True,
                              stdout=subprocess.PIPE, check=False)
        return [int(child) for child in done.stdout.split()
                if same_program(int(child), pid)]

    def read_log(self, begin=0):
        if not os.path.exists(self.log):
            return ""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            file.seek(begin)
            return file.read()

    async def run(self, *args, limit=120):
        """(status, what it said) of a command of the agent's."""
        process = await asyncio.create_subprocess_exec(
            *self.enter(AGENT, "--config", self.path("agent.conf"), *args),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        try:
            said, _ = await asyncio.wait_for(process.communicate(), limit)
        except asyncio.TimeoutError:
            process.kill()
            await process.wait()
            return 124, f"{' '.join(args)}: no end within {limit} s"
        return process.returncode, said.decode(errors="replace").strip()

    # What is on record here

    def defines(self, vm):
        return os.path.exists(self.path("vms", vm + ".ini"))

    def leaves(self, vm):
        return os.path.exists(self.path("vms", vm + ".leaving"))

    def leftovers(self, vm):
        """What a node that does not run the VM may not have. Not .arrived: a
        migration that brought the VM may be asked for at any later time."""
        names = [("run", vm, "definition.ini"), ("run", vm, "qmp.sock"),
                 ("run", vm, "handoff"), ("memory", vm),
                 ("vms", vm + ".leaving")]
        return [os.path.join(*words) for words in names
                if os.path.lexists(self.path(*words))]


def same_program(first, second):
    try:
        return (os.readlink(f"/proc/{first}/exe") ==
                os.readlink(f"/proc/{second}/exe"))
    except FileNotFoundError:
        return False
