#!/usr/bin/env python3
"""Proves the compose stack: up from nothing, the main job over HTTP, its walls, scaling, faults under load, and that nothing is lost.

usage: python3 deploy/tests/compose [--no-build] [--seed N] [--per-second N]      in the project's root, as root or a member of `docker`
"""

import argparse
import json
import sys
import threading
import time
import urllib.request
from pathlib import Path

from client import TERMINAL, Client, Load, noop, wait_until
from stack import Stack

ROOT = Path(__file__).resolve().parents[3]
PICTURE = ROOT / "fixtures/images/shapes_b.jpg"
MODEL = ROOT / "fixtures/models/shapes_det_160.onnx"
SERVICES = ["api", "worker-gpu", "worker-cpu", "ml-service", "reconciler"]
RECOVERY_LIMIT_S = 120

# What must hold of every task when nothing is under way any more: the number of rows that break it.
INVARIANTS = {
    "every task has ended": "SELECT count(*) FROM tasks WHERE status NOT IN ('completed', 'failed', 'cancelled')",
    "who has ended has a time of that": "SELECT count(*) FROM tasks WHERE completed_at IS NULL",
    "who failed says why, and nobody else does": "SELECT count(*) FROM tasks WHERE (status = 'failed') <> (error_code IS NOT NULL)",
    "who completed was run by somebody": "SELECT count(*) FROM tasks WHERE status = 'completed' AND (run_id IS NULL OR worker_id IS NULL)",
    "no task has failed or crashed more often than it was tried": "SELECT count(*) FROM tasks WHERE failures + crashes > attempt",
    "artifacts are those of the run that completed": (
        "SELECT count(*) FROM provenances p JOIN tasks t ON t.id = p.task_id WHERE t.status <> 'completed' OR t.run_id <> p.run_id"
    ),
}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--no-build", action="store_true", help="takes the images as they are")
    arguments.add_argument("--seed", type=int, default=int(time.time()), help="of the load's mixture")
    arguments.add_argument("--per-second", type=float, default=20, help="tasks of the load beside the faults")
    options = arguments.parse_args()
    print(f"seed {options.seed}", flush=True)
    with Stack(ROOT) as stack:
        return Proof(stack, options).run()


class Proof:
    def __init__(self, stack, options):
        self.stack, self.options, self.rows = stack, options, []

    def run(self):
        if not self.options.no_build:
            self.step("images are built", lambda: self.stack.compose("build"))
        self.step("the stack comes up from nothing", self.stack.up)
        self.step("a tenant, its key and its model", self.prepare)
        self.step("the main job over HTTP", self.main_job)
        self.step("walls: sockets, networks, file systems, sandbox", self.walls)
        self.step("nginx: events at once, large uploads", self.proxy)
        self.step("the broker keeps what waits through a restart", self.broker_restart)
        self.step("4 workers, 2 ML services and 2 APIs share 200 tasks, each run once", self.scale)
        self.faults()
        self.step("everything is kept by down and up", self.down_and_up)
        return self.report()

    def step(self, what, action):
        started = time.monotonic()
        said = action()
        print(f"ok  {what}{f': {said}' if isinstance(said, str) and said and len(said) < 200 else ''}  ({time.monotonic() - started:.0f} s)", flush=True)

    def prepare(self):
        operator = Client(self.stack.base, self.stack.operator_key)
        tenant = operator.must("POST", "/api/v1/tenants", {"name": "acme"})
        key = operator.must("POST", f"/api/v1/tenants/{tenant['id']}/keys", {"name": "test", "scopes": ["read", "write", "admin"]})
        self.client = Client(self.stack.base, key["key"])
        self.client.must("PUT", "/api/v1/slots/detect", MODEL.read_bytes(), content_type="application/octet-stream")
        self.media = self.client.must("POST", "/api/v1/media", PICTURE.read_bytes(), content_type="image/jpeg")["media_id"]

    def main_job(self):
        task = {"task_type": "object_detection", "config": {"confidence_threshold": 0.25}}
        status, answer = self.client.task_with_file(task, PICTURE.read_bytes(), Prefer="wait=30")
        expect(status == 201 and answer["status"] == "completed", f"{status} {answer}")
        self.boxes = len(self.client.artifacts(answer["task_id"]))
        expect(self.boxes > 0, "no boxes")
        return f"{self.boxes} boxes"

    def walls(self):
        for worker in ("worker-gpu", "worker-cpu", "reconciler"):
            expect(not listening(self.stack, worker), f"{worker} listens on a port")
        for service in ("ml-service", "worker-cpu", "api"):
            expect(not reaches(self.stack, service, "1.1.1.1", 443), f"{service} reaches the outside")
        expect(not reaches(self.stack, "ml-service", "postgres", 5432), "the ML service reaches the database")
        for service in SERVICES:
            status, _ = self.stack.inside(service, "touch /probe")
            expect(status != 0, f"{service} can write to its root file system")
        for service in SERVICES:
            program = service.removesuffix("-gpu").removesuffix("-cpu")
            _, programs = self.stack.inside(service, "cd /usr/local/bin && echo ortolan*")
            expect(programs == f"ortolan-{program}", f"{service} holds the programs {programs}")
            _, libraries = self.stack.inside(service, "find / -xdev -name 'libonnxruntime*' 2>/dev/null | wc -l")
            expect((libraries != "0") == (service == "ml-service"), f"{service} holds {libraries} libraries of ONNX Runtime")
        return runner_facts(self.stack)

    def proxy(self):
        events = self.first_event_while_running()
        status, answer = self.client.call("PUT", "/api/v1/slots/classify", bytes(60 << 20), "application/octet-stream")
        expect(status == 422, f"60 MiB that are no model: {status} {answer}")
        return events

    def first_event_while_running(self):
        task = self.client.must("POST", "/api/v1/tasks", noop(4000))["task_id"]
        request = urllib.request.Request(f"{self.stack.base}/api/v1/tasks/{task}/events", headers={"Authorization": f"Bearer {self.client.key}"})
        with urllib.request.urlopen(request, timeout=20) as stream:
            first = stream.readline()
            status = self.client.must("GET", f"/api/v1/tasks/{task}")["status"]
        expect(first and status not in TERMINAL, f"the first event came when the task was {status}")
        return f"first event while the task was {status}"

    def broker_restart(self):
        """Deliveries that nobody takes are the very same ones after the broker was started again, and go out from there."""
        expect(self.broker("config get appendonly").split() == ["appendonly", "yes"], "the broker keeps no append-only file")
        self.stack.compose("stop", "--timeout", "30", "worker-cpu")
        tasks = [self.client.must("POST", "/api/v1/tasks", noop())["task_id"] for _ in range(3)]
        wait_until("the deliveries wait", lambda: len(self.waiting()) == len(tasks), RECOVERY_LIMIT_S)
        before = self.waiting()
        self.stack.compose("restart", "--timeout", "30", "valkey")
        wait_until("the broker answers", lambda: self.broker("ping") == "PONG", RECOVERY_LIMIT_S)
        expect(self.waiting() == before, f"{before} waited before, {self.waiting()} after")
        self.stack.up()
        self.await_end(tasks)
        ids = ", ".join(f"'{task}'" for task in tasks)
        # What was lost and sent again would be in its second attempt.
        ended = self.stack.sql(f"SELECT count(*) FROM tasks WHERE id IN ({ids}) AND status = 'completed' AND attempt = 1")[0][0]
        expect(int(ended) == len(tasks), f"{ended} of {len(tasks)} tasks completed with the delivery that waited")
        return f"{len(before)} deliveries"

    def broker(self, words):
        return self.stack.inside("valkey", f"valkey-cli {words}")[1]

    def waiting(self):
        """The deliveries in the queue of the workers without a GPU, in their order."""
        return self.broker("lrange '{ortolan:cpu_jobs}:active' 0 -1").split()

    def scale(self):
        self.stack.up("--no-recreate", "--scale", "worker-gpu=2", "--scale", "worker-cpu=2", "--scale", "ml-service=2", "--scale", "api=2")
        # nginx asks its resolver anew after two seconds.
        time.sleep(3)
        with Load(self.client, self.media, self.options.seed, per_second=100) as load:
            wait_until("200 tasks are submitted", lambda: len(load.acknowledged) >= 200, RECOVERY_LIMIT_S)
        self.await_end(load.acknowledged)
        # An attempt is a dispatch, and a delivery that is not claimed in time is sent again; a second run would count as a failure
        # or a crash of the first.
        again = self.stack.sql("SELECT count(*) FROM tasks WHERE failures + crashes > 0")[0][0]
        expect(again == "0", f"{again} tasks were run more than once")
        workers = {row[0] for row in self.stack.sql("SELECT DISTINCT worker_id FROM tasks WHERE completed_at IS NOT NULL")}
        expect(len(workers) >= 4, f"only {workers} took part")
        answered = [requests_answered(self.stack, number) for number in range(2)]
        expect(all(answered), f"requests answered by the two APIs: {answered}")
        self.check_artifacts(load)
        numbers = self.numbers()
        expect(len(numbers) == 2 and len(set(numbers.values())) == 2, f"numbers of the ML services: {numbers}")
        return f"{len(load.acknowledged)} tasks by {len(workers)} workers, requests by API {answered[0]} and {answered[1]}, ML services {sorted(numbers.values())}"

    def numbers(self):
        """The number of each live ML service, by its host."""
        _, text = self.stack.inside("valkey", "valkey-cli hgetall ortolan:ml_numbers")
        lines = text.splitlines()
        held = {entry.split(" ")[2]: int(number) for number, entry in zip(lines[::2], lines[1::2])}
        hosts = [container[:12] for container in self.stack.containers("ml-service")]
        return {host: number for host, number in held.items() if host in hosts}

    def faults(self):
        stack = self.stack
        kills = [(f"kill -9 {name}", lambda name=name: stack.kill(name), lambda: None) for name in [*SERVICES, "valkey", "postgres", "nginx"]]
        cuts = [
            (f"{service} cut off from {network}", lambda s=service, n=network: stack.cut(s, n), lambda s=service, n=network: stack.mend(s, n))
            for service, network in [("worker-cpu", "broker"), ("ml-service", "broker"), ("api", "database")]
        ]
        stops = [(f"SIGTERM {name}", lambda name=name: stack.compose("restart", "--timeout", "30", name), lambda: None) for name in SERVICES]
        for name, strike, heal in [*kills, *cuts, *stops]:
            self.fault(name, strike, heal)

    def fault(self, name, strike, heal):
        with Load(self.client, self.media, self.options.seed + len(self.rows), self.options.per_second) as load:
            time.sleep(1)
            strike()
            time.sleep(4)
            heal()
            recovered_s = wait_until(f"a task completes after {name}", self.works, RECOVERY_LIMIT_S)
        self.await_end(load.acknowledged)
        lost, doubled = self.check_artifacts(load)
        self.rows.append((name, len(load.acknowledged), load.refused, lost, doubled, recovered_s))
        print(f"ok  {name}: {len(load.acknowledged)} tasks, {load.refused} not acknowledged, {recovered_s:.1f} s to recover", flush=True)

    def works(self):
        """True when a detection goes all the way."""
        task = {"task_type": "object_detection", "media_id": self.media, "config": {"confidence_threshold": 0.25}}
        status, answer = self.client.call("POST", "/api/v1/tasks", task, Prefer="wait=2")
        return status == 201 and answer["status"] == "completed"

    def await_end(self, tasks):
        def open_tasks():
            return int(self.stack.sql("SELECT count(*) FROM tasks WHERE status NOT IN ('completed', 'failed', 'cancelled')")[0][0])

        wait_until(f"all of {len(tasks)} tasks end", lambda: open_tasks() == 0, RECOVERY_LIMIT_S)

    def check_artifacts(self, load):
        """Every acknowledged task completed, with exactly the artifacts of one run."""
        ids = ", ".join(f"'{task}'" for task in load.acknowledged)
        rows = self.stack.sql(
            "SELECT t.id, t.status, count(a.id), count(DISTINCT p.run_id) FROM tasks t LEFT JOIN provenances p ON p.task_id = t.id "
            f"LEFT JOIN artifacts a ON a.task_id = t.id WHERE t.id IN ({ids}) GROUP BY 1, 2"
        )
        found = {row[0]: row[1:] for row in rows}
        detections = set(load.detections)
        lost = [task for task in load.acknowledged if found.get(task, ["missing"])[0] != "completed"]
        doubled = [task for task, (_, artifacts, runs) in found.items() if int(artifacts) != (self.boxes if task in detections else 0) or int(runs) > 1]
        expect(not lost and not doubled, f"lost {lost[:5]}, doubled {doubled[:5]}: {[found.get(t) for t in [*lost, *doubled][:5]]}")
        return len(lost), len(doubled)

    def down_and_up(self):
        before = self.stack.sql("SELECT count(*) FROM tasks")[0][0]
        self.stack.compose("down", "--timeout", "30")
        self.stack.up()
        after = self.stack.sql("SELECT count(*) FROM tasks")[0][0]
        expect(before == after, f"{before} tasks before, {after} after")
        wait_until("a task completes", self.works, RECOVERY_LIMIT_S)
        return f"{after} tasks"

    def report(self):
        for what, query in INVARIANTS.items():
            broken = self.stack.sql(query)[0][0]
            expect(broken == "0", f"{what}: {broken} rows are not so")
        print(f"\n{'fault':36} {'tasks':>6} {'refused':>8} {'lost':>5} {'doubled':>8} {'recovered s':>12}")
        for name, tasks, refused, lost, doubled, recovered_s in self.rows:
            print(f"{name:36} {tasks:6} {refused:8} {lost:5} {doubled:8} {recovered_s:12.1f}")
        total = [sum(row[column] for row in self.rows) for column in (1, 2, 3, 4)]
        print(f"{'all':36} {total[0]:6} {total[1]:8} {total[2]:5} {total[3]:8}")
        print(f"{len(INVARIANTS)} invariants hold of {self.stack.sql('SELECT count(*) FROM tasks')[0][0]} tasks")
        return 0


def listening(stack, service):
    """Listening TCP sockets of a container, but for Docker's own name server."""
    _, table = stack.inside(service, "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null")
    sockets = [line.split() for line in table.splitlines() if ":" in line]
    return [fields[1] for fields in sockets if len(fields) > 3 and fields[3] == "0A" and not fields[1].startswith("0B00007F")]


def reaches(stack, service, host, port):
    status, _ = stack.inside(service, f"timeout 3 bash -c 'exec 3<>/dev/tcp/{host}/{port}'")
    return status == 0


def runner_facts(stack):
    """The runners' sandbox as the kernel sees it: a filter of system calls, no new privileges, no capability."""
    script = 'for p in /proc/[0-9]*; do [[ $(tr "\\0" " " < $p/cmdline) == *runner* ]] && grep -E "^(Seccomp|NoNewPrivs|CapEff):" $p/status; done; true'
    _, text = stack.inside("ml-service", script)
    facts = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    facts = {name: value.strip() for name, value in facts.items()}
    expect(facts == {"NoNewPrivs": "1", "Seccomp": "2", "CapEff": "0000000000000000"}, f"the runner's process: {text or 'not found'}")
    return f"runner {json.dumps(facts)}"


def requests_answered(stack, number):
    script = "exec 3<>/dev/tcp/127.0.0.1/8000; printf 'GET /metrics HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3"
    _, text = stack.inside("api", script, number)
    counts = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith("ortolan_http_requests_total") and "/api/v1/tasks" in line]
    return int(sum(map(float, counts)))


def expect(holds, otherwise):
    if not holds:
        raise AssertionError(otherwise)


if __name__ == "__main__":
    threading.excepthook = lambda failure: print(f"load: {failure.exc_value}", file=sys.stderr)
    sys.exit(main())
