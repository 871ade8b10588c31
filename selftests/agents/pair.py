# SPDX-License-Identifier: GPL-2.0
"""Two nodes, the proxy between them, and the VMs on them."""

import asyncio
import os
import shutil
import subprocess

from guest import Guest
from node import PORT, Failed, Node, sh
from proxy import Proxy

# From the end of all trouble until records and processes agree. The agents'
# own limits are 10 s and 30 s; the rest is for a busy, emulated host.
SETTLE_LIMIT = 120
# A busy host's agent may take longer than its peer waits; nothing is changed.
SLOW = "did not greet within"
# Emulated processors encrypt a few MB a second: a round takes long.
PATIENT = ("--max-blackout", "10000")
# What a user is told to wait for.
PASSING = ("is busy", "cleaned up", "try again", "does not run on yet",
           "still arriving", "being migrated already", SLOW)


def now():
    return asyncio.get_running_loop().time()


class Pair:
    """@index tells pairs of one host apart.

    @vm: the one that most cases are about; @guests: all that are there
    """

    def __init__(self, index, folder):
        self.index = index
        self.folder = os.path.join(folder, str(index))
        self.subnet = f"10.88.{index}"
        self.bridge = f"agents{index}"
        self.proxy_address = f"{self.subnet}.254"
        self.nodes = {"a": Node(self, "a", 1), "b": Node(self, "b", 2)}
        self.proxy = Proxy(self.proxy_address)
        self.vm = Guest(self, "vm1")
        self.guests = [self.vm]
        self.cluster = ""

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
        for node in self.nodes.values():
            await self.proxy.listen(self.proxy_port(node),
                                    (node.address, PORT))

    def proxy_port(self, node):
        """Where others find @node."""
        return PORT + 1 + list(self.nodes.values()).index(node)

    def configure(self, node, cluster=""):
        """@cluster: the section of that name; with one there is TLS."""
        peer = self.other(node)
        node.insecure = not cluster
        node.write_conf(peer, self.proxy_port(peer), cluster)

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
        """Nothing runs any more, and nothing is known of a VM."""
        for node in self.nodes.values():
            await node.kill()
        for guest in self.guests:
            guest.kill()
            await self.wait(30, "QEMUs to die",
                            lambda guest=guest: not guest.processes())
        for node in self.nodes.values():
            await self.wait(30, f"node {node.name} to be clean", node.wipe)
        for guest in self.guests:
            guest.clear("")
        self.guests = [self.vm]

    async def begin(self, lease, cluster=""):
        """A VM that runs on node a, and nothing else."""
        await self.end_all()
        self.vm.lease, self.cluster = lease, cluster
        self.proxy.heal()
        for node in self.nodes.values():
            self.configure(node, cluster)
            await node.start()
        await self.begin_guest(self.vm, self.nodes["a"])

    async def begin_guest(self, guest, node):
        await self.must(node, "vm", "define", guest.write_definition())
        await self.must(node, "vm", "start", guest.name)
        await self.settle()

    async def add_guest(self, name, node):
        guest = Guest(self, name)
        self.guests.append(guest)
        await self.begin_guest(guest, node)
        return guest

    # What is done and seen

    def trouble(self):
        """Why the pair is not at rest; None if it is."""
        for guest in self.guests:
            found = guest.trouble()
            if found:
                return found
        return None

    def check_violations(self):
        found = [line for guest in self.guests for line in guest.violations()]
        if found:
            raise Failed("; ".join(found))

    @staticmethod
    async def wait(limit, what, true):
        end = now() + limit
        while not true():
            if now() > end:
                raise Failed(f"waited {limit} s for {what}")
            await asyncio.sleep(0.1)

    async def settle(self):
        """Until each VM runs on one node and all records say so."""
        end = now() + SETTLE_LIMIT
        while self.trouble():
            if now() > end:
                raise Failed(f"{self.trouble()}, after {SETTLE_LIMIT} s")
            await asyncio.sleep(0.1)

    async def must(self, node, *args):
        """A command that works, if need be a little later."""
        end = now() + SETTLE_LIMIT
        while True:
            status, said = await node.run(*args)
            if not status:
                return said
            if now() > end or not any(text in said for text in PASSING):
                raise Failed(f"on node {node.name}: {' '.join(args)}: {said}")
            await asyncio.sleep(0.2)

    async def move_on(self):
        """All is as before: the VM can be moved."""
        begin = self.vm.runner()
        target = self.other(begin)
        await self.must(begin, "migrate", self.vm.name, target.name, *PATIENT)
        await self.settle()
        if self.vm.runner() != target:
            raise Failed(f"moved to {target.name}, but it runs on "
                         + self.vm.runner().name)
        self.check_violations()

    def tail(self, lines=14):
        """What to look at after a failure."""
        text = []
        for node in self.nodes.values():
            text.append(f"agent of node {node.name}:")
            text += node.read_log().splitlines()[-lines:]
        for guest in self.guests:
            text.append(f"stand-ins of {guest.name}:")
            text += [event[3] for event in guest.events()][-2 * lines:]
        return text
