# SPDX-License-Identifier: GPL-2.0
"""Runs a command in a host, over the network that no experiment touches.

The other end is hostd.c, which also says what the frames mean.
"""

import os
import selectors
import signal
import socket
import struct
import sys
import termios
import time
import tty

import settings

CONNECT_LIMIT = 30.0
LOST = 125
TIMED_OUT = 124


def control_port(host):
    return 7000 + settings.number(host)


class Lost(Exception):
    """The connection broke before the command's status came."""


class Connection:
    def __init__(self, host, limit=CONNECT_LIMIT):
        self.sock = socket.create_connection(
            ("127.0.0.1", control_port(host)), timeout=limit)
        kind, _ = self.receive()
        if kind != b"H":
            raise Lost
        self.sock.settimeout(None)

    def read(self, size):
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                raise Lost
            data += more
        return data

    def receive(self):
        head = self.read(5)
        return head[:1], self.read(struct.unpack("<I", head[1:])[0])

    def send(self, kind, data=b""):
        self.sock.sendall(kind + struct.pack("<I", len(data)) + data)


def is_up(host):
    """Whether hostd answers; the emulator accepts before the host is up."""
    try:
        Connection(host, limit=1.0).sock.close()
        return True
    except (OSError, Lost):
        return False


def argv_of(command):
    """One word is a line for the shell, several are run as they are."""
    if len(command) == 1:
        return ["/bin/bash", "-c", command[0]]
    return command


def pump(conn, deadline, stdin):
    """Relays until the command is over; returns its exit status."""
    # Not epoll, which refuses a regular file as standard input.
    pick = selectors.PollSelector()
    pick.register(conn.sock, selectors.EVENT_READ)
    if stdin is not None:
        pick.register(stdin, selectors.EVENT_READ)
    while True:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            return TIMED_OUT
        for key, _ in pick.select(left):
            if key.fileobj is not conn.sock:
                data = os.read(stdin, 65536)
                conn.send(b"I", data)
                if not data:
                    pick.unregister(stdin)
                continue
            kind, data = conn.receive()
            if kind == b"X":
                return data[0]
            out = sys.stderr if kind == b"E" else sys.stdout
            out.buffer.write(data)
            out.buffer.flush()


def run(host, command, limit=None, forward_stdin=False):
    deadline = None if limit is None else time.monotonic() + limit
    try:
        conn = Connection(host)
        conn.send(b"C", b"".join(os.fsencode(arg) + b"\0"
                                 for arg in argv_of(command)))
        if not forward_stdin:
            conn.send(b"I")
        return pump(conn, deadline, 0 if forward_stdin else None)
    except (OSError, Lost):
        return LOST


def shell(host, command):
    conn = Connection(host)

    def send_size(kind):
        size = os.get_terminal_size()
        conn.send(kind, struct.pack("<HH", size.lines, size.columns))

    before = termios.tcgetattr(0)
    try:
        tty.setraw(0)
        send_size(b"T")
        conn.send(b"C", b"".join(arg.encode() + b"\0" for arg in command))
        signal.signal(signal.SIGWINCH, lambda *_: send_size(b"W"))
        return pump(conn, None, 0)
    except (OSError, Lost):
        return LOST
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
