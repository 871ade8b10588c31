# SPDX-License-Identifier: GPL-2.0
"""The switch between the hosts: a bridge in a network namespace of its own.

Taps live in that namespace too, and so do the emulators, so nothing but the
namespace's name can collide with another lab on this machine.
"""

import ctypes
import os
import subprocess

import settings
from settings import LabError, NETNS

CLONE_NEWNET = 0x40000000


def exists():
    return os.path.exists("/run/netns/" + NETNS)


def ip(*args):
    done = subprocess.run(["ip", *args], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise LabError(f"ip {' '.join(args)}: {done.stderr.strip()}")


def create():
    ip("netns", "add", NETNS)
    inside = ("-n", NETNS)
    ip(*inside, "link", "set", "lo", "up")
    ip(*inside, "link", "add", "br0", "type", "bridge",
       "forward_delay", "0", "mcast_snooping", "0")
    ip(*inside, "addr", "add", settings.SWITCH_ADDRESS + "/24", "dev", "br0")
    ip(*inside, "link", "set", "br0", "up")


def destroy():
    if exists():
        ip("netns", "del", NETNS)


def enter():
    """Moves this process, and what it starts, to the switch's namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        with open("/run/netns/" + NETNS, "rb") as file:
            if libc.setns(file.fileno(), CLONE_NEWNET) == 0:
                return
    except FileNotFoundError:
        raise LabError(f"lab {settings.LAB} is not running: "
                       "selftests/lab/lab start") from None
    raise LabError(f"cannot enter {NETNS}: "
                   + os.strerror(ctypes.get_errno()))


def tap(host):
    return "tap-" + host


def add_tap(host):
    name = tap(host)
    subprocess.run(["ip", "-n", NETNS, "link", "del", name],
                   capture_output=True, check=False)
    ip("-n", NETNS, "tuntap", "add", "dev", name, "mode", "tap")
    ip("-n", NETNS, "link", "set", name, "master", "br0", "up")


def set_cable(host, plugged):
    ip("-n", NETNS, "link", "set", tap(host), "up" if plugged else "down")
