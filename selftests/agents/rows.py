# SPDX-License-Identifier: GPL-2.0
"""Every message that two agents exchange, and the migration that has it."""

import os
import re
from dataclasses import dataclass
from typing import Callable, Optional

from node import TOP

# When the message comes, seen from the commit.
BEFORE, COMMIT, AFTER = "before", "commit", "after"
LEASES = NONE, FILE = ("none", "lease-file")


@dataclass
class Row:
    """@message: connection, sender and type.

    @prepare: makes the migration go the way on which the message comes
    @prelude: does that with the messages before it
    """

    name: str
    message: str
    phase: str = BEFORE
    prepare: Optional[Callable] = None
    prelude: Optional[Callable] = None
    leases: tuple = LEASES


def refuse(attempt):
    attempt.destination.hide_qemu(True)


def fail_to_load(attempt):
    attempt.pair.vm.set_fault(attempt.destination, "migrate-incoming", "refuse")


def fail_to_resume(attempt):
    attempt.pair.vm.set_fault(attempt.destination, "cont", "refuse")


async def cancel(attempt, message):
    """The user does, as soon as the destination waits for the rest."""
    if str(message) == "control destination ready":
        await attempt.source.run("cancel", attempt.pair.vm.name)
    attempt.deliver(message)


async def lose_commit(attempt, message):
    if str(message) == "control source commit":
        message.connection.cut()
    else:
        attempt.deliver(message)


async def lose_committed(attempt, message):
    if str(message) == "control destination committed":
        message.connection.cut()
    else:
        attempt.deliver(message)


async def change_epoch(attempt, message):
    """The destination asks for a lease that is not there."""
    raw = None
    if str(message) == "control source commit":
        raw = message.changed(epoch=message.body["epoch"] + 5)
    attempt.pair.proxy.deliver(message, raw)


ROWS = [
    Row("greeting", "control source greeting"),
    Row("greeting-answer", "control destination greeting"),
    Row("setup", "control source setup"),
    Row("accepted", "control destination accepted"),
    Row("channel", "channel source greeting"),
    Row("channel-answer", "channel destination greeting"),
    Row("state", "state source greeting"),
    Row("state-answer", "state destination greeting"),
    Row("incoming", "control destination incoming"),
    Row("ready", "control destination ready"),
    Row("loaded", "control destination loaded"),
    Row("commit", "control source commit", COMMIT),
    Row("committed", "control destination committed", AFTER),
    Row("announced", "control destination announced", AFTER),
    Row("refused", "control destination refused", prepare=refuse),
    Row("failed", "control destination failed", prepare=fail_to_load),
    Row("abort", "control source abort", prelude=cancel),
    Row("aborted", "control destination aborted", COMMIT,
        prepare=fail_to_resume, leases=(NONE,)),
    Row("aborted", "control destination aborted", COMMIT,
        prelude=change_epoch, leases=(FILE,)),
    Row("committed-at-last", "control destination committed", AFTER,
        prepare=fail_to_resume, leases=(FILE,)),
    Row("query-lost", "control source query", COMMIT, prelude=lose_commit,
        leases=(NONE,)),
    Row("outcome-lost", "control destination outcome", COMMIT,
        prelude=lose_commit, leases=(NONE,)),
    Row("query-done", "control source query", AFTER, prelude=lose_committed,
        leases=(NONE,)),
    Row("outcome-done", "control destination outcome", AFTER,
        prelude=lose_committed, leases=(NONE,)),
]

# Not part of a migration.
OTHERS = {"ping", "request", "answer"}
KNOWN = {row.message.split()[2] for row in ROWS} | OTHERS


def said_by_agents():
    """The types of message in the agent's sources."""
    call = re.compile(r'\b(?:vmig_json_new|vmig_incoming_say|'
                      r'vmig_incoming_drop)\((?:in,\s*)?"(\w+)"|'
                      r'"type", "(\w+)"')
    found = set()
    for folder in ("cluster", "migrate"):
        path = os.path.join(TOP, "agent", folder)
        for name in os.listdir(path):
            if name.endswith(".c"):
                with open(os.path.join(path, name), encoding="utf-8") as file:
                    for types in call.findall(file.read()):
                        found.update(filter(None, types))
    return found


def unknown():
    """Messages that no row has, and rows whose message nobody says."""
    rows = KNOWN - OTHERS - {"greeting"}
    said = said_by_agents() - OTHERS
    return sorted(said - rows), sorted(rows - said)
