# SPDX-License-Identifier: GPL-2.0
"""The man in the middle: every connection between two agents, in the open.

Control connections are taken apart into messages (a big-endian length and a
JSON object, as agent/cluster/message.c has them), and a plan may do something
with each; the others are passed on byte by byte after their greetings, and so
is what is encrypted.
"""

import asyncio
import json
import struct

CHUNK = 1 << 18
CONNECT_LIMIT = 20
PING_S = 2
# The first byte of a connection that is encrypted.
TLS_HANDSHAKE = b"\x16"


def frame(body):
    """A message as it is on the wire; @body is an object or bytes."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return struct.pack(">I", len(raw)) + raw


class Message:
    """@sender is "source" or "destination", by who opened the connection."""

    def __init__(self, connection, opened, raw):
        self.connection, self.opened, self.raw = connection, opened, raw
        self.body = json.loads(raw[4:])
        self.type = self.body.get("type", "greeting")

    @property
    def kind(self):
        return self.connection.kind

    @property
    def sender(self):
        return "source" if self.opened else "destination"

    def __str__(self):
        return f"{self.kind} {self.sender} {self.type}"

    def changed(self, **fields):
        """The same message with some of it replaced."""
        return frame({**self.body, **fields})


class Connection:
    """One of them, two pumps. @kind is what its greeting says."""

    def __init__(self, proxy, reader, writer):
        self.proxy = proxy
        self.ends = {True: (reader, writer)}
        self.kind = ""
        self.opener = ""
        self.silent = False

    async def run(self, address):
        """Until both directions have ended."""
        try:
            first = await self.begin(self.ends[True][0])
            self.ends[False] = await asyncio.wait_for(
                asyncio.open_connection(
                    *address, local_addr=(self.proxy.address, 0)),
                CONNECT_LIMIT)
            await asyncio.gather(self.pump(True, first), self.pump(False))
        except (OSError, EOFError, ValueError, asyncio.TimeoutError):
            pass
        finally:
            if not self.silent:
                self.cut()

    async def begin(self, reader):
        """What it begins with tells its kind."""
        head = await reader.readexactly(1)
        if head == TLS_HANDSHAKE:
            self.kind = "tls"
            return head
        head += await reader.readexactly(3)
        first = head + await reader.readexactly(struct.unpack(">I", head)[0])
        message = Message(self, True, first)
        self.kind = message.body.get("kind", "?")
        self.opener = message.body.get("node", "?")
        return first

    async def read_frame(self, reader):
        head = await reader.readexactly(4)
        return head + await reader.readexactly(struct.unpack(">I", head)[0])

    def cut(self):
        for _, writer in self.ends.values():
            writer.transport.abort()

    def send(self, opened, raw):
        """As if @raw had come from the one who opened it, or the other."""
        if self.silent or (not opened) not in self.ends:
            return
        if self.proxy.tamper:
            raw = self.proxy.tamper(self, opened, raw)
        writer = self.ends[not opened][1]
        if not writer.is_closing():
            writer.write(raw)

    async def pump(self, opened, first=None):
        """From one end to the other."""
        reader = self.ends[opened][0]
        try:
            if self.kind == "tls":
                self.send(opened, first or b"")
            else:
                await self.pass_on(opened,
                                   first or await self.read_frame(reader))
            while self.kind in ("control", "request"):
                await self.pass_on(opened, await self.read_frame(reader))
            await self.copy(opened, reader)
        except (OSError, EOFError, ValueError):
            pass
        if not self.silent:
            self.ends[not opened][1].close()

    async def copy(self, opened, reader):
        while True:
            data = await reader.read(CHUNK)
            if not data:
                break
            self.send(opened, data)
            if not self.silent:
                await self.ends[not opened][1].drain()

    async def pass_on(self, opened, raw):
        message = Message(self, opened, raw)
        if not self.silent:
            await self.proxy.handle(message)


class Proxy:
    """Both ways between two nodes.

    @plan: called with each message, and has to deliver it; or None
    @tamper: called with a connection, whether its opener speaks, and bytes;
        returns what the other end gets; or None
    @seen: names of all messages that passed
    @greetings: the last one of each node
    @refusing: new connections are not answered
    """

    def __init__(self, address):
        self.address = address
        self.plan = None
        self.tamper = None
        self.seen = []
        self.greetings = {}
        self.refusing = False
        self.connections = set()
        self.servers = []

    async def listen(self, port, address):
        """Who connects to @port gets to @address."""
        async def accept(reader, writer):
            connection = Connection(self, reader, writer)
            self.connections.add(connection)
            if self.refusing:
                connection.silent = True
                return
            await connection.run(address)
            if not connection.silent:
                self.connections.discard(connection)

        self.servers.append(await asyncio.start_server(
            accept, self.address, port))

    async def handle(self, message):
        self.seen.append(str(message))
        if message.type == "greeting":
            self.greetings[message.body.get("node")] = message.body
        if not self.plan:
            self.deliver(message)
            return
        pings = asyncio.create_task(self.keep_alive(message))
        try:
            await self.plan(message)
        finally:
            pings.cancel()

    @staticmethod
    async def keep_alive(message):
        """What the sender says on while a message of it is held back."""
        while message.kind == "control":
            await asyncio.sleep(PING_S)
            message.connection.send(message.opened, frame({"type": "ping"}))

    @staticmethod
    def deliver(message, raw=None):
        message.connection.send(message.opened, raw or message.raw)

    def silence(self):
        """As if the cable was out; heal() puts it back."""
        self.refusing = True
        for connection in self.connections:
            connection.silent = True

    def heal(self):
        """The cable is in, and what was silent is gone for good."""
        self.plan = None
        self.tamper = None
        self.refusing = False
        for connection in list(self.connections):
            if connection.silent:
                connection.cut()
                self.connections.discard(connection)

    def close(self):
        for server in self.servers:
            server.close()
        for connection in list(self.connections):
            connection.cut()
