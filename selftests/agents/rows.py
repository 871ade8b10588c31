# SPDX-License-Identifier: GPL-2.0
"""Every message that two agents exchange, and the migration that has it."""

import os
import re
from dataclasses import dataclass
from typing import Callable, Optional

from node import TOP

# When the message comes, seen from the commit.
BEFORE, COMMIT, AFTER = "before", "commit", "after"


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


def refuse(attempt):
    attempt.destination.hide_qemu(True)


def fail_to_load(attempt):
    attempt.pair.set_fault(attempt.destination, "migrate-incoming", "refuse")


def fail_to_resume(attempt):
    attempt.pair.set_fault(attempt.destination, "cont", "refuse")


async def cancel(attempt, message):
    """The user does, as soon as the destination waits for the rest."""
    if str(message) == "control destination ready":
        await attempt.source.run("cancel", "vm1")
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
        prepare=fail_to_resume),
    Row("query-lost", "control source query", COMMIT, prelude=lose_commit),
    Row("outcome-lost", "control destination outcome", COMMIT,
        prelude=lose_commit),
    Row("query-done", "control source query", AFTER, prelude=lose_committed),
    Row("outcome-done", "control destination outcome", AFTER,
        prelude=lose_committed),
]

# Not part of a migration.
OTHERS = {"ping"}


def said_by_agents():
    """The types of message in the agent's sources."""
    call = re.compile(r'\b(?:vmig_json_new|vmig_incoming_say|'
                      r'vmig_incoming_drop)\((?:in,\s*)?"(\w+)"')
    found = set()
    for folder in ("cluster", "migrate"):
        path = os.path.join(TOP, "agent", folder)
        for name in os.listdir(path):
            if name.endswith(".c"):
                with open(os.path.join(path, name), encoding="utf-8") as file:
                    found.update(call.findall(file.read()))
    return found


def unknown():
    """Messages that no row has, and rows whose message nobody says."""
    rows = {row.message.split()[2] for row in ROWS} - {"greeting"}
    said = said_by_agents() - OTHERS
    return sorted(said - rows), sorted(rows - said)
