#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""QEMU's own pre-copy, the peer that vmig is measured against. Runs in a host.

  precopy.py start NAME [--incoming] QEMU-ARGUMENT...
  precopy.py migrate NAME ADDRESS     to the QEMU that waits at ADDRESS
  precopy.py wait-running NAME        until the guest runs here
  precopy.py quit NAME

QEMU is driven as libvirt does it: capabilities and parameters at their
defaults, the bandwidth limit out of the way. Each call answers with JSON on
stdout; driver_cpu_s is this script's own processor time, which is not QEMU's.
"""

import json
import os
import select
import socket
import subprocess
import sys
import time

PORT = 4444
LIMIT = 300.0
BANDWIDTH = 1 << 40


class Qmp:
    """One command at a time; what happened meanwhile is kept in events."""

    def __init__(self, name):
        self.events = []
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(LIMIT)
        self.sock.connect(f"/run/{name}.qmp")
        self.lines = self.sock.makefile("rw")
        self.receive()
        self.call("qmp_capabilities")

    def receive(self):
        line = self.lines.readline()
        if not line:
            sys.exit("precopy: QEMU closed its control socket")
        return json.loads(line)

    def call(self, command, **arguments):
        self.lines.write(json.dumps(
            {"execute": command, "arguments": arguments}) + "\n")
        self.lines.flush()
        while True:
            answer = self.receive()
            if "event" in answer:
                self.events.append(answer["event"])
            elif "error" in answer:
                sys.exit(f"precopy: {command}: {answer['error']['desc']}")
            else:
                return answer["return"]


def start(name, arguments):
    incoming = "--incoming" in arguments
    arguments = [a for a in arguments if a != "--incoming"]
    if incoming:
        arguments += ["-incoming", f"tcp:0.0.0.0:{PORT}"]
    began = time.monotonic()
    # -daemonize: the control socket is there when this returns.
    subprocess.run(["qemu-system-x86_64", *arguments, "-daemonize",
                    "-pidfile", f"/run/{name}.pid",
                    "-qmp", f"unix:/run/{name}.qmp,server=on,wait=off"],
                   check=True, timeout=LIMIT)
    return {"start_ms": (time.monotonic() - began) * 1e3}


def migrate(name, address):
    qmp = Qmp(name)
    qmp.call("migrate-set-capabilities", capabilities=[
        {"capability": "events", "state": True}])
    qmp.call("migrate-set-parameters", **{"max-bandwidth": BANDWIDTH})
    qmp.call("migrate", uri=f"tcp:{address}:{PORT}")
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        info = qmp.call("query-migrate")
        if info.get("status") == "completed":
            return {"total_ms": info["total-time"],
                    "blackout_ms": info["downtime"],
                    "wire_bytes": info["ram"]["transferred"]}
        if info.get("status") in ("failed", "cancelled"):
            sys.exit(f"precopy: migration {info['status']}: "
                     f"{info.get('error-desc', 'no reason given')}")
        time.sleep(0.05)
    sys.exit(f"precopy: no end of the migration within {LIMIT} s")


def wait_running(name):
    qmp = Qmp(name)
    until = time.monotonic() + LIMIT
    while not qmp.call("query-status")["running"]:
        if time.monotonic() > until:
            sys.exit(f"precopy: the guest does not run within {LIMIT} s")
        time.sleep(0.02)


def end(name):
    with open(f"/run/{name}.pid", encoding="ascii") as file:
        pid = int(file.read())
    pidfd = os.pidfd_open(pid)
    Qmp(name).call("quit")
    if not select.select([pidfd], [], [], LIMIT)[0]:
        sys.exit(f"precopy: QEMU {pid} does not end within {LIMIT} s")


def perform(verb, name, rest):
    if verb == "start":
        return start(name, rest)
    if verb == "migrate":
        return migrate(name, rest[0])
    if verb == "wait-running":
        return wait_running(name)
    if verb == "quit":
        return end(name)
    sys.exit(__doc__)


def main():
    verb, name, *rest = sys.argv[1:]
    answer = perform(verb, name, rest) or {}
    print(json.dumps({**answer, "driver_cpu_s": time.process_time()}))


if __name__ == "__main__":
    main()
