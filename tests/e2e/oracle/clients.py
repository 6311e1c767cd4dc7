"""Many clients on one loop: whole answers and streams, read to their end or left midway. Standard library only."""
import asyncio
import time


class Connection(asyncio.Protocol):
    """HTTP/1.1, one request at a time. Keeps the status and a few bytes; the money is judged elsewhere."""

    def __init__(self):
        self.transport = self.done = None
        self.open = False

    def connection_made(self, transport):
        self.transport, self.open = transport, True

    def connection_lost(self, _):
        self.open = False
        self._finish()

    def send(self, data, leave_after_bytes):
        self.received, self.head_end, self.length, self.status = bytearray(), -1, None, 0
        self.leave_after_bytes = leave_after_bytes
        self.done = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        return self.done

    def _finish(self):
        if self.done and not self.done.done():
            self.done.set_result(None)

    def data_received(self, data):
        if not self.done or self.done.done():
            return
        self.received += data
        if self.leave_after_bytes is not None and len(self.received) >= self.leave_after_bytes:
            self.leave()
            return
        if self.head_end < 0:
            self.head_end = self.received.find(b"\r\n\r\n")
            if self.head_end < 0:
                return
            self.status = int(self.received[9:12])
            for line in bytes(self.received[:self.head_end]).lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    self.length = int(line[15:])
        if self.length is not None:
            if len(self.received) >= self.head_end + 4 + self.length:
                self._finish()
        elif self.received.endswith(b"\r\n0\r\n\r\n"):
            self._finish()

    def leave(self):
        self.open = False
        self.transport.abort()
        self._finish()


class Crowd:
    """So many clients at once, together no faster than `rate` requests a second. `results[number]` is (status, when it was
    sent, when it was over) in unix seconds."""

    def __init__(self, port, keys, plan_of, count, at_once, rate):
        self.port, self.keys, self.plan_of, self.count, self.at_once, self.rate = port, keys, plan_of, count, at_once, rate
        self.results, self.next = {}, 0

    async def run(self):
        self.begun = asyncio.get_running_loop().time()
        await asyncio.gather(*(self._client() for _ in range(self.at_once)))

    async def _client(self):
        loop, connection = asyncio.get_running_loop(), None
        while self.next < self.count:
            number, self.next = self.next, self.next + 1
            plan = self.plan_of(number)
            await asyncio.sleep(max(0, self.begun + number / self.rate - loop.time()))
            if connection is None or not connection.open:
                _, connection = await loop.create_connection(Connection, "127.0.0.1", self.port)
            await self._ask(connection, plan)
        if connection is not None and connection.open:
            connection.transport.abort()

    async def _ask(self, connection, plan):
        head = (f"POST {plan.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.keys[plan.key]}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(plan.body)}\r\n\r\n")
        begun = time.time()
        done = connection.send(head.encode() + plan.body, plan.leave_after_bytes)
        wait = plan.leave_after_ms / 1000 if plan.leave_after_ms is not None else 60
        finished, _ = await asyncio.wait({done}, timeout=wait)
        if not finished:
            if plan.leave_after_ms is None:
                raise RuntimeError(f"no answer to request {plan.number} within {wait} s: {bytes(connection.received[:300])}")
            connection.leave()
        self.results[plan.number] = (connection.status, begun, time.time())
