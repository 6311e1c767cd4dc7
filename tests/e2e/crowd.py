"""Many clients at once on raw sockets: slow readers, open-loop arrivals, floods. Standard library only."""
import asyncio
import json
import selectors
import socket
import threading
import time


def request_bytes(key, body, path="/v1/chat/completions", headers=""):
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return (f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
            f"{headers}Content-Length: {len(payload)}\r\n\r\n").encode() + payload


def sim_body(directive, stream=True, model="deepseek/deepseek-flash"):
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": f"[[sim think_tokens=0 {directive}]]"}]}


def connect(port, receive_buffer=None):
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", port))
    return connection


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class SlowReaders:
    """Connections that read `bytes_per_s` each, from a thread of their own, until stop()."""

    def __init__(self, port, count, request, bytes_per_s):
        self.bytes_per_s, self.received, self.closed, self.running = bytes_per_s, 0, 0, True
        self.connections = []
        for _ in range(count):
            connection = connect(port, receive_buffer=4096)
            connection.sendall(request)
            connection.setblocking(False)
            self.connections.append(connection)
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        slices = 10  # of a second: each connection is read once a second
        turn = 0
        while self.running:
            begun = time.monotonic()
            for connection in self.connections[turn % slices::slices]:
                try:
                    got = connection.recv(self.bytes_per_s)
                    self.received += len(got)
                    self.closed += not got
                except BlockingIOError:
                    pass
                except OSError:
                    self.closed += 1
            turn += 1
            time.sleep(max(0.0, 1 / slices - (time.monotonic() - begun)))

    def stop(self):
        self.running = False
        self.thread.join()
        for connection in self.connections:
            connection.close()


async def _ask(port, request):
    """(status, seconds) of one request on a connection of its own; status 0: no answer came."""
    begun = time.monotonic()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        await reader.read() if b"chunked" not in head.lower() and b"connection: close" in head.lower() else await _body(reader, head)
        writer.close()
        return status, time.monotonic() - begun
    except (OSError, asyncio.IncompleteReadError):
        return 0, time.monotonic() - begun


async def _body(reader, head):
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return await reader.readexactly(int(line.split(b":")[1]))
    return await reader.readuntil(b"0\r\n\r\n")


def arrivals(port, request, rate, seconds):
    """Requests at a fixed rate, however long each takes; [(status, seconds)]."""
    async def run():
        loop, tasks, begun = asyncio.get_running_loop(), [], time.monotonic()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
            tasks.append(loop.create_task(_ask(port, request)))
        return await asyncio.gather(*tasks)
    return asyncio.run(run())


def at_once(port, request, clients, seconds):
    """So many clients, each asking again as soon as it is answered; [(status, seconds)]."""
    async def client(end, answers):
        while time.monotonic() < end:
            answers.append(await _ask(port, request))

    async def run():
        answers, end = [], time.monotonic() + seconds
        await asyncio.gather(*(client(end, answers) for _ in range(clients)))
        return answers
    return asyncio.run(run())


class InBackground:
    """Runs one of the above in a thread; result() waits for it."""

    def __init__(self, what, *arguments):
        self.value = None
        self.thread = threading.Thread(target=lambda: setattr(self, "value", what(*arguments)))
        self.thread.start()

    def result(self):
        self.thread.join()
        return self.value


def one_by_one(port, request, count):
    """Latencies of requests on one connection, one after the other; fails on any but 200."""
    connection, latencies = connect(port), []
    for _ in range(count):
        begun = time.monotonic()
        connection.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(65536)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise AssertionError(answer[:300])
        head, _, body = answer.partition(b"\r\n\r\n")
        length = next((int(l.split(b":")[1]) for l in head.lower().split(b"\r\n") if l.startswith(b"content-length:")), None)
        while (len(body) < length) if length is not None else not body.endswith(b"0\r\n\r\n"):
            body += connection.recv(65536)
        latencies.append(time.monotonic() - begun)
    connection.close()
    return latencies


def wait_readable(connections, seconds):
    """How many of them have had something to read."""
    ready = set()
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ)
        end = time.monotonic() + seconds
        while len(ready) < len(connections) and time.monotonic() < end:
            for found, _ in selector.select(0.1):
                ready.add(found.fd)
                selector.unregister(found.fileobj)
    return len(ready)
