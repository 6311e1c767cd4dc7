"""Hostile clients against the real program: slow heads and bodies, deep and huge JSON, hosts in requests, stray pages."""
import json
import os
import re
import resource
import select
import socket
import threading
import time

from harness import call, check, check_equal, unique, user
from journal import Journal

HEAD_SECONDS = 10  # a head must be complete
CLOSED_WITHIN = 11
CHAT = "/v1/chat/completions"


def head_of(path, key, length, method="POST"):
    return (f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {length}\r\n\r\n").encode()


def raw(port, data, seconds=30):
    """Everything that comes back for these bytes, up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(data)
        answer = b""
        while True:
            piece = connection.recv(65536)
            if not piece:
                return answer
            answer += piece


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_kb(pid):
    return next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmHWM"))


def chat_body(text="hi", **members):
    return json.dumps({"model": "turnpike-bulk", "messages": [user(text)], "max_tokens": 16, **members}).encode()


def pipelined_requests_are_answered_in_order_and_booked_one_by_one(bench):
    """H9: 100 requests in one write: 100 answers in their order, 100 attempts in the journal, one settlement each."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    words = [f"w{n:03d}{unique()}" for n in range(100)]
    requests = b"".join(head_of(CHAT, key, len(body)) + body for body in (chat_body(f"{word} [[sim tokens=3 think_tokens=0]]") for word in words))
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as connection:
        connection.sendall(requests)
        reader = connection.makefile("rb")
        for number in range(100):
            status = int(reader.readline().split()[1])
            length = 0
            while (line := reader.readline().strip()):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            body = reader.read(length)
            check_equal(status, 200, f"answer {number}: {body[:200]}")
    gateway.at_rest()
    asked = [next(w for w in words if w in r["body"]) for r in sorted(simulator.requests(), key=lambda r: r["seq"]) if any(w in r["body"] for w in words)]
    check_equal(asked, words, "the order in which the provider was asked")
    check_equal(gateway.stop(), 0, "exit code")
    attempts = list(Journal(bench.folder / "data").attempts.values())
    check_equal([a.end for a in attempts], ["settle_exact"] * 100, "a reserve and an exact end for each")


class SlowHeads:
    """Connections that send one byte of a head every five seconds, and when each was closed."""

    def __init__(self, port, count):
        self.poll, self.open, self.closed_after = select.epoll(), {}, []
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port), timeout=30)
            connection.send(b"G")
            connection.setblocking(False)
            self.open[connection.fileno()] = (connection, time.monotonic())
            self.poll.register(connection, select.EPOLLIN)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        drip = time.monotonic() + 5
        give_up = time.monotonic() + 3 * HEAD_SECONDS
        while self.open and time.monotonic() < give_up:
            for number, _ in self.poll.poll(0.1):
                connection, opened = self.open[number]
                try:
                    if connection.recv(4096):
                        continue  # the 408; the end follows
                except OSError:
                    pass
                self.closed_after.append(time.monotonic() - opened)
                self.poll.unregister(number)
                del self.open[number]
                connection.close()
            if time.monotonic() >= drip:
                drip += 5
                for connection, _ in list(self.open.values()):
                    try:
                        connection.send(b"E")
                    except OSError:
                        pass

    def close(self):
        for connection, _ in self.open.values():
            connection.close()


def p99_ms(gateway, seconds):
    """Of a client that asks for a page of the gateway's own all the time, on one connection each."""
    took, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        check_equal(call(gateway.port, "GET", "/healthz").status, 200, "a normal client's status")
        took.append((time.monotonic() - begun) * 1000)
        time.sleep(0.005)
    took.sort()
    return took[int(len(took) * 0.99)]


def slow_heads_are_closed_and_harm_nobody(bench):
    """H10: heads of one byte in five seconds, 5,000 of them in full: each closed within 11 s, a normal client's p99 stays."""
    count = 5000 if bench.long else bench.scaled(300, 50)
    limit = max(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 4 * count)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, max(limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    gateway, _ = bench.gateway(bench.simulator())
    idle = p99_ms(gateway, 8 if bench.long else 3)
    heads = SlowHeads(gateway.port, count)
    busy = p99_ms(gateway, 8)
    heads.thread.join(4 * HEAD_SECONDS)
    heads.close()
    print(f"H10: {count} slow heads, closed after {min(heads.closed_after, default=0):.1f} to {max(heads.closed_after, default=0):.1f} s; "
          f"p99 of a normal client {idle:.1f} ms idle, {busy:.1f} ms beside them", flush=True)
    check_equal(len(heads.closed_after), count, "slow heads that were closed")
    check(max(heads.closed_after) <= CLOSED_WITHIN + (0 if bench.long else 4), f"the last was closed after {max(heads.closed_after):.1f} s")
    check(busy <= max(2 * idle, idle + (5 if bench.long else 200)), f"p99 {idle:.1f} ms became {busy:.1f} ms")


def a_body_of_a_byte_a_second_is_given_up(bench):
    """H11: a body at one byte a second: 408 within 25 s, nothing reserved, nothing sent."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    entries = gateway.status()["ledger"]["entries"]
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=40) as connection:
        connection.sendall(head_of(CHAT, key, 1000))
        answer = b""
        while not answer and time.monotonic() < begun + 30:
            connection.send(b"{" if time.monotonic() < begun + 1 else b" ")
            if select.select([connection], [], [], 1)[0]:
                answer = connection.recv(4096)
    took = time.monotonic() - begun
    print(f"H11: answered after {took:.1f} s", flush=True)
    check(answer.startswith(b"HTTP/1.1 408"), f"answer {answer[:100]}")
    check(took <= 25, f"after {took:.1f} s")
    check_equal(gateway.status()["ledger"]["entries"], entries, "entries in the journal")
    check_equal(simulator.requests(), [], "requests to a provider")


def deep_documents_are_refused_at_once(bench):
    """J1: 129, 10^4 and 10^6 levels of [ and {, closed and not: 400 too_deep, in 50 ms each."""
    gateway, key = bench.gateway(bench.simulator())
    slowest = 0.0
    for depth in (129, 10_000, 1_000_000):
        for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
            for body in (opening * depth, opening * depth + b"1" + closing * depth, chat_body()[:-1] + b',"x":' + opening * depth + b"1" + closing * depth + b"}"):
                before = cpu_seconds(gateway.pid)
                begun = time.monotonic()
                answer = call(gateway.port, "POST", CHAT, body, {"authorization": f"Bearer {key}"})
                took = time.monotonic() - begun
                slowest = max(slowest, min(took, cpu_seconds(gateway.pid) - before) * 1000)
                check_equal(answer.status, 400, f"status of depth {depth}")
                check("too_deep" in answer.text, f"depth {depth}: {answer.text[:200]}")
    print(f"J1: slowest {slowest:.0f} ms", flush=True)
    check(slowest <= (50 if bench.long else 500), f"slowest {slowest:.0f} ms")
    check_equal(call(gateway.port, "GET", "/healthz").status, 200, "health afterwards")


def huge_documents_take_their_time_and_no_more(bench):
    """J8: one string of 30 MiB, 200,000 messages, 5,000 tools, all the way to a provider: at most 10 ms of CPU per MiB and four
    times the body's memory."""
    tool = {"type": "function", "function": {"name": "t", "description": "d" * 2000, "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}}
    bodies = {
        "one string": chat_body("x" * (30 << 20), model="deepseek/deepseek-flash"),
        "200,000 messages": json.dumps({"model": "deepseek/deepseek-flash", "max_tokens": 16, "messages": [user("x" * 60)] * 200_000}).encode(),
        "5,000 tools": chat_body(model="deepseek/deepseek-flash", tools=[tool | {"function": tool["function"] | {"name": f"t{n}"}} for n in range(5000)]),
    }
    bench.write_config(bench.simulator("--fixed"))  # which takes any length
    for file in (bench.folder / "providers").glob("*.toml"):  # else they are refused for their length
        file.write_text(re.sub(r"^context_tokens = .*$", "context_tokens = 100_000_000", file.read_text(), flags=re.M))
    key = bench.key()
    for name, body in bodies.items():
        gateway = bench.serve()
        check(call(gateway.port, "POST", CHAT, chat_body(), {"authorization": f"Bearer {key}"}).status < 500, "a small one first")
        memory, cpu = peak_kb(gateway.pid), cpu_seconds(gateway.pid)
        answer = call(gateway.port, "POST", CHAT, body, {"authorization": f"Bearer {key}"}, timeout=120)
        mebibytes = len(body) / (1 << 20)
        cost = (cpu_seconds(gateway.pid) - cpu) * 1000 / mebibytes
        grown = (peak_kb(gateway.pid) - memory) / 1024 / mebibytes
        print(f"J8: {name}, {mebibytes:.1f} MiB: status {answer.status}, {cost:.1f} ms of CPU per MiB, {grown:.2f} times its size in memory", flush=True)
        check_equal(answer.status, 200, f"{name}: {answer.text[:300]}")
        check(cost <= (10 if bench.long else 100), f"{name}: {cost:.1f} ms of CPU per MiB")
        check(grown <= (4 if bench.long else 8), f"{name}: {grown:.2f} times the body")
        gateway.kill()


def no_request_makes_the_gateway_call_a_host_of_its_own(bench):
    """A6: hosts in fields, headers, media URLs and tools: nobody connects to the listener that they name."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    trap = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{trap.getsockname()[1]}"
    headers = {"authorization": f"Bearer {key}"}
    for name in ("api_base", "base_url", "baseURL", "api_url", "apiHost", "azure_endpoint"):
        check_equal(call(gateway.port, "POST", CHAT, chat_body(**{name: url}), headers).status, 400, f"status with {name}")
    for name in ("x-base-url", "x-api-base", "x-upstream-url", "x-target-url", "x-forward-to", "helicone-target-url", "x-portkey-custom-host"):
        check_equal(call(gateway.port, "POST", CHAT, chat_body(), headers | {name: url}).status, 400, f"status with {name}")
    for name in ("x-forwarded-host", "forwarded", "referer", "origin"):
        check(call(gateway.port, "POST", CHAT, chat_body(), headers | {name: url}).status < 500, f"{name} is another's business")
    picture = [{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": url + "/a.png"}}]
    call(gateway.port, "POST", CHAT, json.dumps({"model": "auto", "max_tokens": 16, "messages": [{"role": "user", "content": picture}]}).encode(), headers)
    call(gateway.port, "GET", f"{url}/v1/models", None, headers)
    answer = raw(gateway.port, f"GET {url}/v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    check(answer.startswith(b"HTTP/1.1 400"), f"absolute-form of another host: {answer[:100]}")
    check(not select.select([trap], [], [], 0.3)[0], "somebody connected to the host that a request named")
    trap.close()


def operators_pages_are_not_on_the_data_port(bench):
    """A8: the operator's paths are 404 on the data port, with a key, a token or nothing; without its token the admin port says 401."""
    gateway, key = bench.gateway(bench.simulator())
    token = (gateway.config.parent / "data" / "admin.token").read_text().strip()
    for path in ("/admin/status", "/admin/keys", "/admin/decisions", "/admin/reload", "/metrics"):
        for credential in (None, key, token):
            headers = {"authorization": f"Bearer {credential}"} if credential else {}
            check_equal(call(gateway.port, "GET", path, None, headers).status, 404, f"{path} on the data port")
        for headers in ({}, {"authorization": f"Bearer {key}"}, {"authorization": f"Bearer {token}x"}, {"authorization": token}):
            check_equal(call(gateway.admin_port, "GET", path, None, headers).status, 401, f"{path} with {headers}")
        check(call(gateway.admin_port, "GET", path, None, {"authorization": f"Bearer {token}"}).status in (200, 405), f"{path} with the token")


def keys_made_to_hurt_are_refused(bench):
    """A3: keys of quotes, SQL and as long as a head may be: the same 401 as no key."""
    gateway, _ = bench.gateway(bench.simulator())
    none = call(gateway.port, "POST", CHAT, chat_body())
    check_equal(none.status, 401, "without a key")
    for key in ("' OR '1'='1", "tp_'; DROP TABLE keys; --_x", '"\\"', "x" * 30_000):
        answer = call(gateway.port, "POST", CHAT, chat_body(), {"x-api-key": key})
        check_equal((answer.status, answer.body), (401, none.body), f"key {key[:40]}")
    check_equal(call(gateway.port, "POST", CHAT, chat_body(), {"x-api-key": "x" * 65_536}).status, 431, "a key longer than any head")
