"""B25: four replicas and a PostgreSQL, with kills, partitions, restarts of the store and stale epochs at random.

    stress.py --driver FILE [--seconds 40] [--seed N] [--replicas 4]

Half of the time with `store_down = deny`, half with `allow: X`. Passes if at every commit of the central ledger what is
lent and settled is within the limits (a trigger of the test's own looks at each), if at every instant the four journals
together hold no more than the limits (X per replica more with `allow: X`), and if all add up in the end.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import oracle
from postgres import Postgres
from relay import Relay

CREDIT = 1_000_000_000
ALLOW = CREDIT // 20
LOOK = """
CREATE TABLE broken (at timestamptz DEFAULT clock_timestamp(), budget text, out numeric, most numeric);
CREATE TABLE looked (n bigint); INSERT INTO looked VALUES (0);
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  UPDATE looked SET n = n + 1;
  INSERT INTO broken (budget, out, most)
    SELECT r.budget, sum(greatest(l.amount, l.used)), r.limit_nano FROM turnpike.leases l
      JOIN turnpike.windows w ON w.id = l.window_id JOIN turnpike.rules r ON r.id = w.rule, turnpike.windows mine
    WHERE mine.id = NEW.window_id AND mine.rule = w.rule AND w.end_us::numeric + r.rolling_us > mine.start_us
      AND w.start_us <= mine.start_us
    GROUP BY r.id HAVING sum(greatest(l.amount, l.used) - %s) > r.limit_nano;
  RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER look AFTER INSERT OR UPDATE ON turnpike.leases DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION look();
"""


class Replica:
    def __init__(self, run, number):
        self.run, self.name, self.number = run, f"r{number}", number
        self.relay = Relay(run.folder / f"net{number}", run.server.root)
        self.folders = [run.folder / f"data{number}"]
        self.process = None
        self.lives = 0

    def start(self, folder=None):
        self.lives += 1
        seed = self.run.seed * 1000 + self.number * 100 + self.lives
        process = subprocess.Popen([self.run.driver, "run", str(folder or self.folders[0]), self.run.server.address(self.run.database, self.relay.folder),
                                    self.name, str(seed), str(self.run.allow)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=self.run.log, text=True)
        if folder is None:
            self.process = process
        return process

    def kill(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def finish(self):
        """The figures of the process; it ends as on SIGTERM."""
        out, _ = self.process.communicate("\n", timeout=60)
        if self.process.returncode != 0:
            raise AssertionError(f"{self.name} exited with {self.process.returncode}")
        return json.loads(out.strip().splitlines()[-1])


class Run:
    """One setting: so many seconds of trouble, then the judgement."""

    def __init__(self, options, server, allow, seed):
        self.server, self.driver, self.allow, self.seed = server, options.driver, allow, seed
        self.database = f"run_{seed}_{max(0, allow)}"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="turnpike-replicas-"))
        os.chmod(self.folder, 0o755)
        self.log = open(self.folder / "log", "w")
        self.random = random.Random(seed)
        self.seconds = options.seconds / 2
        self.done = {}
        server.query(f"CREATE DATABASE {self.database}")
        # Four processes want about 0.7 credits a second: the rolling limit binds on the way, the others near the end.
        self.limits = {("org:acme", "lifetime UTC 0"): 0.3 * self.seconds, ("team:acme/search", "rolling UTC 60"): 0.35 * min(60, self.seconds),
                       ("key:k0", "lifetime UTC 0"): 0.06 * self.seconds, ("key:k1", "day UTC 0"): 0.06 * self.seconds}
        budgets = [f"{budget}={span.split()[0]}:{span.split()[2]}:{most:.9f}" for (budget, span), most in self.limits.items()]
        subprocess.run([self.driver, "define", str(self.folder / "admin"), server.address(self.database), "admin", *budgets], check=True,
                       stderr=self.log)
        server.query(LOOK % ("l.beyond" if allow >= 0 else "0"), self.database)
        self.replicas = [Replica(self, number) for number in range(options.replicas)]

    def note(self, what):
        self.done[what] = self.done.get(what, 0) + 1

    # --- trouble

    def kill(self, replica):
        replica.kill()
        time.sleep(self.random.uniform(0, 2))
        replica.start()

    def freeze(self, replica):
        replica.process.send_signal(signal.SIGSTOP)
        time.sleep(self.random.uniform(0.5, 4.5))  # leases last 3 s
        replica.process.send_signal(signal.SIGCONT)

    def partition(self, replica):
        replica.relay.pause()
        time.sleep(self.random.uniform(0.3, 5))
        replica.relay.resume(broken=self.random.random() < 0.5)

    def partition_all(self, _):
        for replica in self.replicas:
            replica.relay.pause()
        time.sleep(self.random.uniform(0.5, 4))
        for replica in self.replicas:
            replica.relay.resume(broken=self.random.random() < 0.5)

    def restart_store(self, _):
        self.server.crash_and_restart()

    def stale_epoch(self, replica):
        """A second process takes the name, with a journal of its own; the first must stop by itself."""
        folder = self.folder / f"data{replica.number}-{replica.lives}"
        replica.folders.append(folder)
        other = replica.start(folder)
        time.sleep(self.random.uniform(0.5, 2))
        other.kill() if self.random.random() < 0.5 else other.communicate("\n", timeout=60)
        other.wait()
        self.kill(replica)

    def trouble(self):
        kinds = [self.kill, self.kill, self.freeze, self.partition, self.partition, self.partition_all, self.restart_store]
        if self.allow < 0:
            kinds.append(self.stale_epoch)  # with an allowance a journal more would be a replica more
        first = [*kinds]
        self.random.shuffle(first)
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            time.sleep(self.random.uniform(0.2, 1.5))
            kind = first.pop() if first else self.random.choice(kinds)
            kind(self.random.choice(self.replicas))
            self.note(kind.__name__)

    # --- judgement

    def settle_down(self):
        figures = {}
        time.sleep(2)
        for replica in self.replicas:
            for name, value in replica.finish().items():
                figures[name] = max(figures.get(name, 0), value) if name == "slowest_us" else figures.get(name, 0) + value
            # A process that was taken over had killed reservations; starting once more accounts for all of it.
            replica.start()
            replica.process.stdout.readline()
            time.sleep(0.5)
            replica.finish()
        return figures

    def judge(self):
        faults = []
        extra = ALLOW * len(self.replicas) if self.allow >= 0 else 0
        folders = [folder for replica in self.replicas for folder in replica.folders]
        for folder in folders[:]:
            # Journals of processes that were killed and never started again end in the front journal.
            subprocess.run([self.driver, "run", str(folder), "host=/nonexistent dbname=none", "reader", "1", "-1"], input="\n", text=True,
                           stdout=subprocess.DEVNULL, stderr=self.log)
        peak, settled, attempts, held = oracle.most_used(folders)
        report = []
        for rule, most in self.limits.items():
            limit = int(most * CREDIT)
            over = peak.get(rule, 0) - limit
            report.append(f"{rule[0]} {rule[1].split()[0]} {peak.get(rule, 0) / limit:.4f}")
            if over > extra:
                faults.append(f"{rule}: {peak[rule]} nano-credits were held or spent at once, {limit} are allowed and {extra} may be exposed")
        if held:
            faults.append(f"{held} attempts have no end")
        for at, budget, out, most in self.server.query("SELECT * FROM broken", self.database)[:5]:
            faults.append(f"central ledger at {at}: {budget} {out} of {most}")
        faults += [row[0] for row in self.server.query("SELECT turnpike.faults()", self.database)]
        for (budget, span), amount in settled.items():
            rows = self.server.query(f"SELECT coalesce(sum(l.used), 0) FROM turnpike.leases l JOIN turnpike.windows w ON w.id = l.window_id JOIN "
                                     f"turnpike.rules r ON r.id = w.rule WHERE r.budget = '{budget}' AND r.span = '{span}'", self.database)
            if self.allow >= 0 and int(rows[0][0]) != amount:
                faults.append(f"{budget} {span}: the journals have settled {amount}, the central ledger {rows[0][0]}")
        looked = self.server.query("SELECT n FROM looked", self.database)[0][0]
        return faults, report, attempts, int(looked)

    def go(self):
        for replica in self.replicas:
            replica.start()
        try:
            self.trouble()
            figures = self.settle_down()
            faults, report, attempts, looked = self.judge()
        finally:
            for replica in self.replicas:
                if replica.process.poll() is None:
                    replica.kill()
                replica.relay.close()
            self.log.close()
        name = "deny" if self.allow < 0 else f"allow {self.allow / CREDIT}"
        print(f"{name}: {attempts} attempts in {self.seconds:.0f} s; {looked} central changes looked at; trouble {json.dumps(self.done)}")
        print(f"  figures of the last processes {json.dumps(figures)}")
        print(f"  most at once, of the limit: {'; '.join(report)}")
        if attempts < 200:
            faults.append(f"only {attempts} attempts: this proves nothing")
        for fault in faults:
            print(f"  FAULT {fault}")
        if faults:
            print(f"  kept: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        return not faults


def trace(options, server):
    """Reserve and settle, and what the thread that does it asks of libpq meanwhile: nothing."""
    server.query("CREATE DATABASE trace")
    with tempfile.TemporaryDirectory() as folder:
        address = server.address("trace")
        subprocess.run([options.driver, "define", f"{folder}/admin", address, "admin", "org:acme=lifetime:0:100", "key:k0=rolling:60:100"], check=True,
                       stderr=subprocess.DEVNULL)
        out = subprocess.run([options.driver, "trace", f"{folder}/data", address, "r0", "200000"], check=True, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True).stdout
    figures = json.loads(out.strip().splitlines()[-1])
    print(f"trace: {json.dumps(figures)}")
    return figures["libpq_calls_of_this_thread"] == 0 and figures["pairs"] > 150_000 and figures["libpq_calls_of_the_keeper"] > 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--driver", required=True)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "little"))
    parser.add_argument("--replicas", type=int, default=4)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    server = Postgres()
    try:
        good = trace(options, server)
        good = Run(options, server, -1, options.seed).go() and good
        good = Run(options, server, ALLOW, options.seed + 1).go() and good
    finally:
        server.close()
    print("passed" if good else "FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
