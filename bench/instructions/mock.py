"""An upstream that answers what the driver has laid out, and a client that waits for each piece of it.

Client and upstream live in one process, so a paced stream goes in lock-step: the next event leaves when the client has the
one before. No clock decides what the gateway meets in one wake-up, and its instruction count repeats.
"""

import dataclasses
import socket
import ssl
import threading

HELD_BACK_S = 0.2  # an event that the gateway passes on only together with a later one


@dataclasses.dataclass
class Answer:
    """What the upstream says next: one body, or events that leave one by one or all in one write."""
    pieces: list
    stream: bool = False
    paced: bool = False

    def head(self):
        if self.stream:
            return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(self.pieces[0])


def chunk(piece):
    return b"%x\r\n%s\r\n" % (len(piece), piece)


def read_request(reader):
    """Reads a request with Content-Length; False at the end of the connection."""
    length = 0
    line = reader.readline()
    if not line:
        return False
    while line not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
        line = reader.readline()
    return length == 0 or len(reader.read(length)) == length


class Upstream:
    """One listening port; each connection has a thread, but the driver uses one at a time."""

    def __init__(self, certificate=None):
        self.answer = None
        self.received = threading.Semaphore(0)  # the client has got something
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            reader = connection.makefile("rb")
            while read_request(reader):
                self.tell(connection)
        except OSError:
            pass  # the gateway has closed

    def tell(self, connection):
        answer = self.answer
        if not answer.stream:
            return connection.sendall(answer.head() + answer.pieces[0])
        if not answer.paced:
            return connection.sendall(answer.head() + b"".join(map(chunk, answer.pieces)) + b"0\r\n\r\n")
        connection.sendall(answer.head())
        for piece in answer.pieces[:-1]:
            while self.received.acquire(blocking=False):
                pass
            connection.sendall(chunk(piece))
            self.received.acquire(timeout=HELD_BACK_S)
        connection.sendall(chunk(answer.pieces[-1]) + b"0\r\n\r\n")


class Client:
    """One kept-alive connection to the gateway."""

    def __init__(self, port, key):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.key = key

    def request(self, method, path, body=b""):
        head = f"{method} {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {self.key}\r\n"
        if body:
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.socket.sendall(head.encode() + b"\r\n" + body)

    def answer(self, upstream=None):
        """The whole answer's body; every arrival is told to the upstream."""
        data = b""
        while not self.complete(data):
            got = self.socket.recv(1 << 18)
            if not got:
                raise RuntimeError(f"the gateway closed the connection after {data[:300]!r}")
            data += got
            if upstream:
                upstream.received.release()
        head, _, body = data.partition(b"\r\n\r\n")
        if b" 200 " not in head[:20]:
            raise RuntimeError(f"the gateway answered {data[:600]!r}")
        return body

    @staticmethod
    def complete(data):
        head, end, body = data.partition(b"\r\n\r\n")
        if not end:
            return False
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                return len(body) >= int(value)
        return body.endswith(b"0\r\n\r\n")
