# SPDX-License-Identifier: GPL-2.0
"""One who speaks to an agent from its peer's address, and is not the peer."""

import asyncio
import json
import struct

from node import PORT, Failed
from proxy import frame

ANSWER_LIMIT = 60


class Stranger:
    """A connection to @node that says to come from the other node."""

    def __init__(self, pair, node):
        self.pair, self.node = pair, node
        self.reader = self.writer = None

    async def connect(self):
        peer = self.pair.other(self.node).name
        if peer not in self.pair.proxy.greetings:
            # Whatever it says, the two have met.
            await self.node.run("check", self.pair.vm.name, peer)
        self.reader, self.writer = await asyncio.open_connection(
            self.node.address, PORT, local_addr=(self.pair.proxy_address, 0))

    def greeting(self, kind="control", **fields):
        """What the peer itself said the last time, but for @fields."""
        peer = self.pair.other(self.node)
        return {**self.pair.proxy.greetings[peer.name], "kind": kind, **fields}

    def send(self, body):
        self.writer.write(frame(body))

    def send_raw(self, raw):
        self.writer.write(raw)

    async def receive(self):
        """The next message but pings; None once the agent has hung up."""
        while True:
            try:
                head = await asyncio.wait_for(self.reader.readexactly(4),
                                              ANSWER_LIMIT)
                size, = struct.unpack(">I", head)
                body = json.loads(await self.reader.readexactly(size))
            except asyncio.TimeoutError as err:
                raise Failed(f"no answer within {ANSWER_LIMIT} s") from err
            except (EOFError, OSError):
                return None
            if body.get("type") != "ping":
                return body

    async def hung_up(self):
        """Until the agent does; what it says before is nobody's."""
        try:
            while await self.reader.read(4096):
                pass
        except OSError:
            pass

    async def greet(self, kind="control", **fields):
        self.send(self.greeting(kind, **fields))
        answer = await self.receive()
        if not answer or answer.get("type") == "refused":
            raise Failed(f"the greeting was not taken: {answer}")

    def close(self):
        if self.writer:
            self.writer.transport.abort()
