# SPDX-License-Identifier: GPL-2.0
"""One VM of a pair: what its stand-ins say, and what is on record of it."""

import fcntl
import os
import signal
import struct

DEFINITION = """[vm]
name = {name}
memory = 4M
vcpus = 1
cpu-policy = host
"""
LEASE = """lease = {lease}
[disk root]
path = {path}
"""
# Lines of the stand-in that no run may have; see guest.c.
VIOLATIONS = ("TWO", "STALE", "MEMORY", "UNKNOWN")
# Not in Python's fcntl before 3.12.
F_OFD_SETLKW = 38


class Guest:
    """Named @name; runs on one of the pair's nodes.

    @lease: "none", or "lease-file": then it has a disk that both nodes see
    """

    def __init__(self, pair, name, lease="none"):
        self.pair, self.name, self.lease = pair, name, lease

    def path(self, suffix):
        return os.path.join(self.pair.folder, self.name + suffix)

    def write_definition(self):
        with open(self.path(".ini"), "w", encoding="ascii") as file:
            file.write(DEFINITION.format(name=self.name))
            if self.lease != "none":
                file.write(LEASE.format(lease=self.lease,
                                        path=self.path(".img")))
                with open(self.path(".img"), "ab"):
                    pass
        return self.path(".ini")

    def events(self):
        """Lines of the stand-ins: (node, pid, event, the line)."""
        try:
            with open(self.path(".log"), encoding="ascii") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return []
        words = [line.split() for line in lines]
        return [(w[0], int(w[1]), w[2], line) for w, line in zip(words, lines)]

    def processes(self):
        """{pid: node} of the stand-ins that live."""
        return {pid: node for node, pid, event, _ in self.events()
                if event == "start" and is_alive(pid)}

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
        return self.pair.nodes[found[0]] if len(found) == 1 else None

    def owners(self):
        return [node.name for node in self.pair.nodes.values()
                if node.defines(self.name)]

    def trouble(self):
        """Why it is not at rest; None if it is."""
        runners, owners = self.runners(), self.owners()
        if len(runners) > 1:
            return f"{self.name} runs on both nodes"
        if not runners:
            return f"{self.name} runs nowhere; defined on {owners or 'none'}"
        if owners != runners:
            return f"{self.name} runs on {runners}, is defined on {owners}"
        node = self.pair.nodes[runners[0]]
        idle = self.pair.other(node)
        left = idle.leftovers(self.name)
        if left or idle.name in self.processes().values():
            return (f"{self.name} runs on {node.name}, node {idle.name} still "
                    f"has {left or 'a process of it'}")
        if node.leaves(self.name):
            return f"node {node.name} runs {self.name}, and says it leaves"
        if self.lease != "none" and self.holder() != node.name:
            return (f"{self.name} runs on {node.name}, its lease says "
                    f"{self.holder() or 'nobody'}")
        return None

    def holder(self):
        """Who has the lease; Documentation/lease.rst has the layout."""
        with open(self.path(".img.lease"), "rb") as file:
            slots = [file.read(4096) for _ in range(2)]
        newest = max(slots, key=lambda slot: struct.unpack_from("<Q", slot,
                                                                16))
        return newest[128:192].rstrip(b"\0").decode("ascii", "replace")

    def lock_lease(self):
        """A descriptor; as long as it is open no node gets at the lease."""
        fd = os.open(self.path(".img.lease"), os.O_RDWR | os.O_CLOEXEC)
        whole = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        fcntl.fcntl(fd, F_OFD_SETLKW, whole)
        return fd

    def violations(self):
        return [line for _, _, event, line in self.events()
                if event in VIOLATIONS]

    def kill(self, node=None):
        """Its stand-ins, or the one on a node."""
        for pid, where in self.processes().items():
            if node is None or where == node.name:
                os.kill(pid, signal.SIGKILL)

    # What is to go wrong

    def set_fault(self, node, command, fault):
        """The next such command of the node's stand-in goes wrong."""
        with open(self.path(f"@{node.name}.{command}"), "w",
                  encoding="ascii") as file:
            file.write(fault + "\n")

    def clear(self, prefix):
        """Its files in the pair's folder that begin so."""
        for name in os.listdir(self.pair.folder):
            if name.startswith(self.name + prefix):
                os.unlink(os.path.join(self.pair.folder, name))


def is_alive(pid):
    """A zombie is not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii",
                  errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
