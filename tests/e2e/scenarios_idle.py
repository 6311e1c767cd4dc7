"""Streams that stay open and say almost nothing, by the thousand. `--long`: as many of the 10,000 as the descriptors of a process allow."""
import json
import resource
import subprocess

from harness import check, check_equal

MEMORY_MIB_MAX = 512  # with 10,000 streams
COST_GROWTH_MAX = 2   # of a fresh request; a transport that looks at every connection for each would grow twentyfold


def streams_at_most(bench):
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(10_000 if bench.long else bench.scaled(1000), int((limit - 200) / 2.2))


def idle_streams_cost_little(bench):
    """L3: open streams take at most 512 MiB per 10,000, and a fresh request costs no more beside them."""
    streams = streams_at_most(bench)
    simulator = bench.simulator("--fixed")
    bench.write_config(simulator, "all-bulk")
    key = bench.key()
    gateway = bench.serve()
    argv = [bench.binaries / "turnpike-meter", "--url", gateway.url + "/v1/chat/completions", "--key", key, "--pids", gateway.pid, "--hold", streams,
            "--requests", 600, "--rate", 100, "--connections", 16]
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=300)
    check_equal(done.returncode, 0, f"exit code of turnpike-meter: {done.stderr}")
    figures = json.loads(done.stdout)
    held, before, beside = figures["held"], figures["before"], figures["beside"]
    growth = beside["cpu_us"] / before["cpu_us"]
    print(f"  {held['open']} streams open, {held['lost']} lost; {held['memory_kb'] / 1024:.0f} MiB in all, {held['kb_per_stream']:.1f} KiB a stream; "
          f"a fresh request: p50 {before['latency_us']['p50']:.0f} us before, {beside['latency_us']['p50']:.0f} beside them; "
          f"p99 {before['latency_us']['p99']:.0f}, {beside['latency_us']['p99']:.0f}; CPU times {growth:.2f}", flush=True)
    check_equal((held["open"], held["lost"]), (streams, 0), f"open and lost streams ({held['reasons']})")
    check_equal((before["lost"], beside["lost"]), (0, 0), f"lost requests ({before['reasons']}, {beside['reasons']})")
    allowed = MEMORY_MIB_MAX * max(streams, 1000) / 10_000 + held["memory_before_kb"] / 1024
    check(held["memory_kb"] / 1024 <= allowed, f"{held['memory_kb'] / 1024:.0f} MiB, at most {allowed:.0f}")
    check(growth <= COST_GROWTH_MAX, f"a request costs {growth:.2f} times as much beside {streams} open streams")
    gateway.at_rest(60)
    check_equal(gateway.stop(60), 0, "exit code")
