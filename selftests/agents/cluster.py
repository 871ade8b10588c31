# SPDX-License-Identifier: GPL-2.0
"""Several nodes that reach each other directly, and VMs of stand-ins."""

import asyncio
import os
import shutil
import signal
import subprocess

from guest import Guest, is_alive
from node import PORT, Failed, Node, sh
from pair import PASSING, SETTLE_LIMIT, Pair

DEFINITION = """[vm]
name = {vm}
memory = {memory}
vcpus = 1
cpu-policy = host
"""


class Member(Node):
    """A node whose peers are at their own addresses."""

    def write_conf(self, peers, more=""):  # pylint: disable=arguments-differ
        lines = "".join(f"{p.name} = {p.address}:{PORT}\n" for p in peers)
        with open(self.path("agent.conf"), "w", encoding="ascii") as file:
            file.write(f"[node]\nname = {self.name}\n"
                       f"address = {self.address}\nport = {PORT}\n"
                       f"definitions = {self.path('vms')}\n"
                       f"run = {self.path('run')}\n"
                       f"state = {self.path('state')}\n"
                       f"memory = {self.path('memory')}\n"
                       f"qemu = {self.path('qemu')}\naccel = tcg\n"
                       f"{more}[peers]\n{lines}")
        self.hide_qemu(False)


class Cluster:
    """@names of nodes, one character each."""

    index = 99
    subnet = "10.89.0"
    bridge = "agents99"

    def __init__(self, folder, names):
        self.folder = folder
        self.nodes = {name: Member(self, name, number)
                      for number, name in enumerate(names, 1)}

    def __getitem__(self, name):
        return self.nodes[name]

    async def make(self):
        self.remove()
        os.makedirs(self.folder)
        sh("ip", "link", "add", self.bridge, "type", "bridge",
           "forward_delay", "0", "mcast_snooping", "0")
        sh("ip", "link", "set", self.bridge, "up")
        for node in self.nodes.values():
            node.make()
            self.configure(node)

    def configure(self, node, more=""):
        node.write_conf([n for n in self.nodes.values() if n is not node],
                        more)

    async def unmake(self):
        await self.end_all()
        self.remove()

    def remove(self):
        for node in self.nodes.values():
            node.unmake()
        subprocess.run(("ip", "link", "del", self.bridge),
                       stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def vms(self):
        return sorted(name[:-4] for name in os.listdir(self.folder)
                      if name.endswith(".log") and
                      not os.path.isdir(os.path.join(self.folder, name)))

    def guest(self, vm):
        return Guest(self, vm)

    def processes(self, vm):
        return self.guest(vm).processes()

    def where(self, vm):
        """The node that it runs on; None if that is none or two."""
        node = self.guest(vm).runner()
        return node.name if node else None

    def places(self, *vms):
        return "".join(self.where(vm) or "-" for vm in vms)

    async def end_all(self):
        for node in self.nodes.values():
            await node.kill()
        pids = [pid for vm in self.vms() for pid in self.processes(vm)]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        await self.wait(30, "all stand-ins to end",
                        lambda: not any(is_alive(pid) for pid in pids))

    async def begin(self):
        """All agents are up, and there are no VMs."""
        await self.end_all()
        for vm in self.vms():
            for name in os.listdir(self.folder):
                if name.startswith(vm):
                    os.unlink(os.path.join(self.folder, name))
        for node in self.nodes.values():
            await self.wait(30, f"node {node.name} to be clean", node.wipe)
            node.hide_qemu(False)
        await asyncio.gather(*(n.start() for n in self.nodes.values()))

    async def define(self, name, vm, memory="4M", more=""):
        path = os.path.join(self.folder, vm + ".ini")
        with open(path, "w", encoding="ascii") as file:
            file.write(DEFINITION.format(vm=vm, memory=memory) + more)
        await self.must(name, "vm", "define", path)

    async def start(self, name, *vms):
        for vm in vms:
            await self.define(name, vm)
            await self.must(name, "vm", "start", vm)

    async def run(self, name, *args):
        return await self.nodes[name].run(*args)

    async def must(self, name, *args):
        """A command that works, if need be a little later."""
        end = asyncio.get_running_loop().time() + SETTLE_LIMIT
        while True:
            status, said = await self.nodes[name].run(*args)
            if not status:
                return said
            if (asyncio.get_running_loop().time() > end or
                    not any(text in said for text in PASSING)):
                raise Failed(f"on node {name}: {' '.join(args)}: {said}")
            await asyncio.sleep(0.2)

    async def refused(self, text, name, *args):
        status, said = await self.nodes[name].run(*args)
        if not status or text not in said:
            raise Failed(f"on node {name}: {' '.join(args)}: status {status}, "
                         f"expected a failure with '{text}': {said}")
        return said

    wait = staticmethod(Pair.wait)

    async def at_rest(self):
        """Each VM that has a stand-in runs on one node, which alone has it."""
        try:
            await self.wait(SETTLE_LIMIT, "rest", lambda: not self.trouble())
        except Failed as err:
            raise Failed(f"{err}: {self.trouble()}") from err

    def trouble(self):
        for vm in self.vms():
            if not self.processes(vm):
                continue
            where = self.where(vm)
            owners = [n.name for n in self.nodes.values() if n.defines(vm)]
            left = [(n.name, name) for n in self.nodes.values()
                    if n.name != where for name in n.leftovers(vm)]
            if owners != [where] or left:
                return f"{vm} runs on {where}, defined on {owners}, " \
                       f"leftovers on {left}"
        return None

    def violations(self):
        return [line for vm in self.vms()
                for line in self.guest(vm).violations()]
