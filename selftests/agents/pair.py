# SPDX-License-Identifier: GPL-2.0
"""Two nodes, the proxy between them, one VM, and what can be said of it."""

import asyncio
import os
import shutil
import signal
import subprocess

from node import PORT, Failed, Node, sh
from proxy import Proxy

VM = "vm1"
# From the end of all trouble until records and processes agree. The agents'
# own limits are 10 s and 30 s; the rest is for a busy, emulated host.
SETTLE_LIMIT = 120
# What a user is told to wait for.
PASSING = ("is busy", "cleaned up", "try again", "does not run on yet",
           "still arriving", "being migrated already")
# Lines of the stand-in that no run may have; see guest.c.
VIOLATIONS = ("TWO", "STALE", "MEMORY", "UNKNOWN")

DEFINITION = """[vm]
name = {vm}
memory = 4M
vcpus = 1
cpu-policy = host
"""


class Pair:
    """@index tells pairs of one host apart."""

    def __init__(self, index, folder):
        self.index = index
        self.folder = os.path.join(folder, str(index))
        self.subnet = f"10.88.{index}"
        self.bridge = f"agents{index}"
        self.proxy_address = f"{self.subnet}.254"
        self.nodes = {"a": Node(self, "a", 1), "b": Node(self, "b", 2)}
        self.proxy = Proxy(self.proxy_address)
        self.log_begin = 0

    def other(self, node):
        return self.nodes["b" if node.name == "a" else "a"]

    # Setting up

    async def make(self):
        self.remove()
        os.makedirs(self.folder)
        sh("ip", "link", "add", self.bridge, "type", "bridge",
           "forward_delay", "0", "mcast_snooping", "0")
        sh("ip", "addr", "add", self.proxy_address + "/24", "dev",
           self.bridge)
        sh("ip", "link", "set", self.bridge, "up")
        for node in self.nodes.values():
            node.make()
        for number, node in enumerate(self.nodes.values()):
            port = PORT + 1 + number
            self.other(node).write_conf(node, port)
            await self.proxy.listen(port, (node.address, PORT))

    async def unmake(self):
        self.proxy.close()
        await self.end_all()
        self.remove()

    def remove(self):
        """Also what a run that was killed has left."""
        for node in self.nodes.values():
            node.unmake()
        subprocess.run(("ip", "link", "del", self.bridge),
                       stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    async def end_all(self):
        for node in self.nodes.values():
            await node.kill()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        for _ in range(200):
            if not self.processes():
                break
            await asyncio.sleep(0.05)

    async def begin(self):
        """A VM that runs on node a, and nothing else."""
        await self.end_all()
        self.proxy.heal()
        for name in os.listdir(self.folder):
            if name.startswith(VM):
                os.unlink(os.path.join(self.folder, name))
        for node in self.nodes.values():
            await self.wait(30, f"node {node.name} to be clean",
                            lambda node=node: node.wipe() or
                            not os.listdir(node.path("memory")))
            await node.start()
        first = self.nodes["a"]
        path = os.path.join(self.folder, VM + ".ini")
        with open(path, "w", encoding="ascii") as file:
            file.write(DEFINITION.format(vm=VM))
        await self.must(first, "vm", "define", path)
        await self.must(first, "vm", "start", VM)
        self.log_begin = 0

    # What is seen

    def events(self, begin=0):
        """Lines of the stand-ins: (node, pid, event, the line)."""
        try:
            with open(os.path.join(self.folder, VM + ".log"),
                      encoding="ascii") as file:
                file.seek(begin)
                lines = file.read().splitlines()
        except FileNotFoundError:
            return []
        words = [line.split() for line in lines]
        return [(w[0], int(w[1]), w[2], line) for w, line in zip(words, lines)]

    def processes(self):
        """{pid: node} of the stand-ins that live."""
        found = {}
        for node, pid, event, _ in self.events():
            if event == "start" and is_alive(pid):
                found[pid] = node
        return found

    def runners(self):
        """Names of the nodes where the guest counts."""
        live = self.processes()
        runs = {}
        for _, pid, event, _ in self.events():
            if pid in live and event in ("run", "stop"):
                runs[pid] = event == "run"
        return [live[pid] for pid, running in runs.items() if running]

    def runner(self):
        found = self.runners()
        return self.nodes[found[0]] if len(found) == 1 else None

    def owners(self):
        return [node.name for node in self.nodes.values() if node.defines(VM)]

    def trouble(self):
        """Why the pair is not at rest; None if it is."""
        runners, owners = self.runners(), self.owners()
        if len(runners) > 1:
            return "the VM runs on both nodes"
        if not runners:
            return f"the VM runs nowhere; defined on {owners or 'none'}"
        if owners != runners:
            return f"the VM runs on {runners}, it is defined on {owners}"
        idle = self.other(self.nodes[runners[0]])
        left = idle.leftovers(VM)
        if left or idle.name in self.processes().values():
            return (f"the VM runs on {runners[0]}, node {idle.name} still "
                    f"has {left or 'a process of it'}")
        busy = self.nodes[runners[0]].leftovers(VM)
        if any(name.endswith(".leaving") for name in busy):
            return f"node {runners[0]} runs it and says that it leaves"
        return None

    def violations(self):
        return [line for _, _, event, line in self.events(self.log_begin)
                if event in VIOLATIONS]

    # What is done

    @staticmethod
    async def wait(limit, what, true):
        end = asyncio.get_running_loop().time() + limit
        while not true():
            if asyncio.get_running_loop().time() > end:
                raise Failed(f"waited {limit} s for {what}")
            await asyncio.sleep(0.05)

    async def settle(self):
        """Until the VM runs on one node and all records say so."""
        end = asyncio.get_running_loop().time() + SETTLE_LIMIT
        while self.trouble():
            if asyncio.get_running_loop().time() > end:
                raise Failed(f"{self.trouble()}, after {SETTLE_LIMIT} s")
            await asyncio.sleep(0.05)

    async def must(self, node, *args):
        """A command that works, if need be a little later."""
        end = asyncio.get_running_loop().time() + SETTLE_LIMIT
        while True:
            status, said = await node.run(*args)
            if not status:
                return said
            if (asyncio.get_running_loop().time() > end or
                    not any(text in said for text in PASSING)):
                raise Failed(f"on node {node.name}: {' '.join(args)}: {said}")
            await asyncio.sleep(0.2)

    def kill_vmm(self, node):
        for pid, where in self.processes().items():
            if where == node.name:
                os.kill(pid, signal.SIGKILL)

    def set_fault(self, node, command, fault):
        """The next such command of the node's stand-in goes wrong."""
        with open(os.path.join(self.folder, f"{VM}@{node.name}.{command}"),
                  "w", encoding="ascii") as file:
            file.write(fault + "\n")

    def clear_faults(self):
        for name in os.listdir(self.folder):
            if name.startswith(VM + "@"):
                os.unlink(os.path.join(self.folder, name))

    def tail(self, lines=14):
        """What to look at after a failure."""
        text = []
        for node in self.nodes.values():
            text.append(f"agent of node {node.name}:")
            text += node.read_log().splitlines()[-lines:]
        text.append("stand-ins:")
        text += [e[3] for e in self.events(self.log_begin)][-2 * lines:]
        return text


def is_alive(pid):
    """A zombie is not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii",
                  errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
