# SPDX-License-Identifier: GPL-2.0
"""Names and places of one lab; several may run at once, each with its LAB."""

import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
CACHE = os.environ.get("VMIG_CACHE", "/var/cache/vmig")
LAB = os.environ.get("LAB", "vmig")
NETNS = "vmig-lab-" + LAB
# Logs and the share; the default lab has the short name.
DIR = os.path.join(TOP, "build", "lab" if LAB == "vmig" else "lab-" + LAB)
SHARE = os.path.join(DIR, "share")
# Sockets and process ids: a path must fit into a socket address.
RUN = os.path.join("/run/vmig-lab", LAB)
HOSTD = os.path.join(TOP, "build", "lab", "hostd")
TSC = os.path.join(TOP, "build", "lab", "tsc")
SWITCH_ADDRESS = "10.77.0.254"
# Seconds that a host may take to come up. Seen: 5 quiet, 13 on a busy machine;
# with the debug kernel 115 on a busy one.
START_LIMIT = float(os.environ.get("LAB_LIMIT", "180"))
DEBUG_FACTOR = 4
# In a host; made from build/lab/share/.lab/cluster.key.
CLUSTER_KEY = "/etc/vmig/cluster.key"
# LAB_TLS=1 is as agents run elsewhere. Hosts emulate AES instruction by
# instruction, so that migrations of tests which are not about it go without.
AGENT_OPTIONS = ("" if os.environ.get("LAB_TLS") else
                 "--insecure --insecure-network")


class LabError(Exception):
    """Something the caller has to know, in one sentence."""


def check_name():
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", LAB):
        raise LabError(f"LAB={LAB}: a lab's name has small letters, digits "
                       "and dashes, at most 31")
    if os.geteuid() != 0:
        raise LabError("the lab needs root, for network namespaces and taps")


def number(host):
    return ord(host) - ord("a") + 1


def address(host):
    return f"10.77.0.{number(host)}"


def say(text):
    print(text, file=sys.stderr, flush=True)
