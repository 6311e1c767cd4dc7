"""Clients that go on asking while the gateway is killed, and remember what they were told. Standard library only."""
import asyncio
import json
import random
import threading
from dataclasses import dataclass

KEYS = 8
FIRST_MAXIMUM = 1000  # of output tokens; above it the maximum, with the key, is the number of the request


@dataclass
class Told:
    """What a client knows of its request."""
    number: int
    model: str
    stream: bool
    status: int = 0       # 0: no head came
    complete: bool = False  # the whole answer, with its terminator
    decision: str = ""
    usage: dict | None = None


def number_of(key_index, output_bound):
    return (output_bound - FIRST_MAXIMUM) * KEYS + key_index


class Clients:
    """`rate` requests a second from a thread of its own, each on a connection of its own, until stop()."""

    def __init__(self, port, keys, models, rate, seed):
        self.port, self.keys, self.models, self.rate, self.seed = port, keys, models, rate, seed
        self.told, self.running = [], True
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.thread.start()

    def stop(self):
        self.running = False
        self.thread.join()
        return self.told

    async def _run(self):
        loop, under_way = asyncio.get_running_loop(), set()
        begun, number = loop.time(), 0
        while self.running:
            await asyncio.sleep(max(0.0, begun + number / self.rate - loop.time()))
            task = asyncio.create_task(self._ask(number))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            number += 1
        await asyncio.gather(*under_way)

    async def _ask(self, number):
        dice = random.Random(self.seed * 1_000_003 + number)
        told = Told(number, dice.choice(self.models), dice.random() < 0.7)
        self.told.append(told)
        directive = (f"[[sim tag=r{number} tokens={dice.choice((3, 20, 60, 400))} think_tokens={dice.choice((0, 10))} "
                     f"cadence_ms={dice.choice((0, 2, 10))}]]")
        body = {"model": told.model, "stream": told.stream, "max_tokens": FIRST_MAXIMUM + number // KEYS,
                "messages": [{"role": "user", "content": f"{directive} Say something about the number {number}."}]}
        if told.stream:
            body["stream_options"] = {"include_usage": True}
        try:
            await asyncio.wait_for(self._exchange(told, json.dumps(body).encode(), self.keys[number % KEYS]), 60)
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, asyncio.LimitOverrunError):
            pass  # killed meanwhile, or not up yet

    async def _exchange(self, told, body, key):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write((f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n"
                          f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body)
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])}
            told.status, told.decision = int(head[9:12]), fields.get("x-turnpike-decision", "")
            if "content-length" in fields:
                answer = await reader.readexactly(int(fields["content-length"]))
                told.usage, told.complete = json.loads(answer).get("usage"), told.status == 200
            else:
                await self._read_stream(told, reader)
        finally:
            writer.close()

    @staticmethod
    async def _read_stream(told, reader):
        data, done = b"", False
        while True:
            size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
            piece = await reader.readexactly(size + 2)
            data += piece[:-2]
            while b"\n\n" in data:
                event, _, data = data.partition(b"\n\n")
                text = event.removeprefix(b"data: ")
                done = done or text == b"[DONE]"
                if b'"usage":{' in text:
                    told.usage = json.loads(text)["usage"]
            if size == 0:
                told.complete = done
                return
