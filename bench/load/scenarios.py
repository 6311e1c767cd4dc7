"""What is sent. Each scenario is one run of turnpike-meter; `flags` are its flags, `model` the name that the gateway is asked for."""
from dataclasses import dataclass

# Of ten steps of an agent seven are small, two carry a middling context, one a large one.
MIXED_BODIES = ",".join(["1024"] * 7 + ["51200"] * 2 + ["1048576"])


@dataclass(frozen=True)
class Scenario:
    name: str
    flags: str
    model: str = "auto"
    direct: bool = False  # also without any proxy, for added latency
    floor_as: str = ""    # the port of the floor; of `model` unless given

    @property
    def floor(self):
        return self.floor_as or {"auto": "plain"}.get(self.model, self.model)


SCENARIOS = [
    Scenario("whole-1k", "--requests 8000 --warmup 400 --events 300 --piece-bytes 4 --connections 16"),
    Scenario("whole-50k", "--requests 3000 --warmup 100 --body-bytes 51200 --connections 8"),
    Scenario("whole-1m", "--requests 250 --warmup 10 --body-bytes 1048576 --connections 4"),
    Scenario("burst", "--stream --requests 1500 --warmup 50 --events 200 --connections 16"),
    Scenario("paced-200", "--stream --requests 100 --warmup 100 --events 200 --cadence-us 20000 --connections 100"),
    Scenario("paced-2000", "--stream --requests 40 --warmup 0 --events 2000 --cadence-us 2000 --connections 40"),
    Scenario("mix", f"--stream --requests 160 --warmup 16 --body-bytes {MIXED_BODIES} --events 200-2000 --cadence-us 1000 --connections 64"),
    Scenario("rate", "--requests 1500 --warmup 100 --rate 300 --connections 128", direct=True),
    Scenario("first", "--stream --requests 1500 --warmup 100 --rate 300 --events 3 --cadence-us 1000 --connections 128", direct=True),
    Scenario("translated", "--stream --requests 100 --warmup 100 --events 200 --cadence-us 20000 --connections 100", model="translated", floor_as="plain"),
    Scenario("tls-whole", "--requests 4000 --warmup 200 --events 300 --piece-bytes 4 --connections 16", model="tls"),
    Scenario("tls-paced", "--stream --requests 100 --warmup 100 --events 200 --cadence-us 20000 --connections 100", model="tls"),
    Scenario("tls-new", "--requests 300 --warmup 20 --connections 8", model="closing"),
]
# Streams that are open and say almost nothing; beside them requests at a fixed rate. On processes started for it.
HELD_FLAGS = "--hold {streams} --hold-rate 1000 --settle-ms 3000 --requests {requests} --warmup 100 --rate 200 --connections 32"


@dataclass(frozen=True)
class Held:
    name: str
    streams: int
    descriptors: float  # of a proxy, for each stream; its idle connections and its transport's own among them
    model: str = "auto"


HELD = [
    Held("held-1000", 1_000, 2.2),
    Held("held-10000", 10_000, 2.2),
    Held("held-http2", 10_000, 2.0, model="http2"),  # streams to the provider share connections, which nginx cannot; still, turnpike
    # admits half as many connections as it may have descriptors
]


@dataclass(frozen=True)
class Row:
    """A line of the table. `field` is a path into the meter's JSON."""
    scenario: str
    field: str
    name: str
    unit: str
    group: str
    ratio: bool = True
    readme: bool = True
    against: str = ""  # a scenario: compared is the gateway with itself there, not with the floor


ROWS = [
    Row("whole-1k", "cpu_us_per_request", "1 KB request, whole answer", "us CPU", "cpu"),
    Row("whole-50k", "cpu_us_per_request", "50 KB request", "us CPU", "cpu"),
    Row("whole-1m", "cpu_us_per_request", "1 MB request", "us CPU", "cpu"),
    Row("burst", "cpu_us_per_event", "event of a stream, 200 at once", "us CPU", "cpu"),
    Row("paced-200", "cpu_us_per_event", "event, 200 every 20 ms", "us CPU", "cpu"),
    Row("paced-2000", "cpu_us_per_event", "event, 2,000 every 2 ms", "us CPU", "cpu", readme=False),
    Row("mix", "cpu_us_per_request", "agents' mix: 1 KB to 1 MB, 200 to 2,000 events", "us CPU", "cpu"),
    Row("translated", "cpu_us_per_event", "event translated from Messages to Chat", "us CPU", "cpu"),
    Row("translated", "cpu_us_per_event", "event translated, beside the same passed through", "us CPU", "own", against="paced-200"),
    Row("tls-whole", "cpu_us_per_request", "1 KB request, provider over TLS", "us CPU", "cpu"),
    Row("tls-paced", "cpu_us_per_event", "event every 20 ms, provider over TLS", "us CPU", "cpu", readme=False),
    Row("tls-new", "cpu_us_per_request", "request on a new TLS connection", "us CPU", "cpu"),
    Row("rate", "cpu_us_per_request", "1 KB request at 300 a second", "us CPU", "cpu"),
    Row("rate", "latency_us.p50", "added to a whole answer, p50", "us", "added", ratio=False),
    Row("rate", "latency_us.p99", "added to a whole answer, p99", "us", "added", ratio=False, readme=False),
    Row("first", "first_event_us.p50", "added to the first event, p50", "us", "added", ratio=False),
    Row("first", "first_event_us.p99", "added to the first event, p99", "us", "added", ratio=False),
    Row("paced-200", "under_way_us.p50", "event under way from provider to client, p50", "us", "added", ratio=False, readme=False),
    Row("paced-200", "under_way_us.p99", "event under way from provider to client, p99", "us", "added", ratio=False, readme=False),
    Row("held-1000", "held.kb_per_stream", "memory per open stream, 1,000", "KB", "stream"),
    Row("held-10000", "held.open", "open streams, as many as the descriptors allow", "streams", "growth", ratio=False, readme=False),
    Row("held-10000", "held.kb_per_stream", "memory per open stream, up to 10,000", "KB", "stream"),
    Row("held-10000", "held.memory_mb", "memory in all with them", "MB", "memory", readme=False),
    Row("held-10000", "p99_growth", "p99 of a fresh request beside them / without", "x", "growth", ratio=False),
    Row("held-10000", "cpu_growth", "CPU of a request beside them / without", "x", "growth", ratio=False, readme=False),
    Row("held-http2", "held.kb_per_stream", "memory per open stream, 10,000, HTTP/2 and TLS to the provider", "KB", "stream", readme=False),
    Row("held-http2", "held.memory_mb", "memory in all with 10,000, HTTP/2 and TLS", "MB", "memory", readme=False),
    Row("held-http2", "p99_growth", "p99 of a fresh request beside them / without, HTTP/2 and TLS", "x", "growth", ratio=False, readme=False),
    Row("start", "start_ms", "start to the first 200", "ms", "start"),
    Row("start", "idle_mb", "memory after the start", "MB", "memory"),
    Row("size", "stripped_mb", "program, stripped", "MB", "size", ratio=False),
]
