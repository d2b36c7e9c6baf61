"""One end of a workload: the Python side of `endpoint.rs`, and the same words."""

import argparse
import json
import os
import resource
import sys
import threading
import time

TOPIC = b"topic.a"
ANY_PORT = "tcp://127.0.0.1:*"
SAMPLE = 0.005
STALLED = 2.0
CATCH_UP = 0.3

count = 0
round_trips = []
_expected = None


def task():
    parser = argparse.ArgumentParser()
    for name in ("size", "window", "hwm", "warm-up", "measure", "limit"):
        parser.add_argument(f"--{name}", type=int, default=1)
    for name in ("peer", "role"):
        parser.add_argument(f"--{name}")
    given = parser.parse_args()
    given.body = b"x" * given.size
    given.duration = (given.warm_up + given.measure) / 1000
    return given


def tell(kind, value):
    print(json.dumps({kind: value}), flush=True)


def announce(endpoint):
    tell("endpoint", endpoint.decode().rstrip("\0") if isinstance(endpoint, bytes) else endpoint)


def ready():
    print('"ready"', flush=True)


def hear():
    line = sys.stdin.readline()
    if not line:
        os._exit(1)
    return line.strip()


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_kib():
    with open("/proc/self/status") as status:
        return next((int(line.split()[1]) for line in status if line.startswith("VmHWM:")), 0)



class Pacer:
    """When a sender has sent enough."""

    def __init__(self, given):
        self.began, self.cpu = time.monotonic(), cpu()
        self.until, self.limit, self.sent = given.duration, given.limit, 0

    def one(self):
        if self.sent >= self.limit:
            return False
        if self.sent % 64 == 0 and time.monotonic() - self.began >= self.until:
            return False
        self.sent += 1
        return True

    def finish(self):
        cpu_ns = (cpu() - self.cpu) * 1e9 / max(self.sent, 1)
        tell("sent", {"count": self.sent, "cpu_ns": cpu_ns, "max_rss_kib": peak_kib()})
        threading.Thread(target=_end_when_told, daemon=True).start()


def _end_when_told():
    while sys.stdin.readline():
        pass
    os._exit(0)


def watch_receiver(given):
    threading.Thread(target=_hear_expected, daemon=True).start()

    def ended(timeline):
        if _expected is None:
            return False
        now, total, _ = timeline[-1]
        late = given.hwm > 0 and now - timeline[0][0] > given.duration + CATCH_UP
        return total >= _expected or late or _is_stalled(timeline)

    threading.Thread(target=_watch, args=(given, ended), daemon=True).start()


def watch_client(given):
    def ended(timeline):
        return timeline[-1][0] - timeline[0][0] >= given.duration or _is_stalled(timeline)

    threading.Thread(target=_watch, args=(given, ended), daemon=True).start()


def _hear_expected():
    global _expected
    while True:
        line = sys.stdin.readline()
        if not line:
            os._exit(1)
        if line.startswith("expect "):
            _expected = int(line.split()[1])


def _is_stalled(timeline):
    now, total, _ = timeline[-1]
    grew = next((at for at, had, _ in reversed(timeline) if had < total), timeline[0][0])
    return now - grew > STALLED


def _watch(given, ended):
    while count == 0:
        time.sleep(0.001)
    timeline = []
    while True:
        timeline.append((time.monotonic(), count, cpu()))
        if ended(timeline):
            break
        time.sleep(SAMPLE)
    total = timeline[-1][1]
    first = timeline[0]
    last = next((moment for moment in reversed(timeline) if moment[1] < total), first)
    warm = (moment for moment in timeline if moment[0] - first[0] >= given.warm_up / 1000)
    start = next(warm, first)
    if start[0] + 10 * SAMPLE >= last[0]:
        start = first
    messages, seconds = last[1] - start[1], last[0] - start[0]
    if messages <= 0 or seconds <= 0:
        print(f"too little to measure: {total} messages", file=sys.stderr)
        os._exit(1)
    report = {
        "count": total,
        "stalled": _is_stalled(timeline),
        "rate": messages / seconds,
        "cpu_ns": (last[2] - start[2]) * 1e9 / messages,
        "max_rss_kib": peak_kib(),
    }
    if round_trips:
        sorted_trips = sorted(round_trips)
        at = lambda q: sorted_trips[min(int(q * len(sorted_trips)), len(sorted_trips) - 1)] * 1e6
        report["latency"] = [at(0.5), at(0.99)]
    tell("report", report)
    os._exit(0)
