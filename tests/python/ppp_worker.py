"""A worker as RFC 6/PPP describes it, and nothing more: READY, heartbeats, one
request of three frames at a time, answered in capitals."""

import sys
import time

import zmq

READY, HEARTBEAT = b"\x01", b"\x02"

endpoint, interval = sys.argv[1], float(sys.argv[2])
worker = zmq.Context().socket(zmq.DEALER)
worker.connect(endpoint)
worker.send(READY)
print("ready", flush=True)
beat_at = time.monotonic() + interval
while True:
    if worker.poll(max(0, (beat_at - time.monotonic()) * 1000)):
        frames = worker.recv_multipart()
        if len(frames) == 3 and frames[1] == b"":
            print(f"request {frames[2].decode()}", flush=True)
            worker.send_multipart([frames[0], b"", frames[2].upper()])
        elif frames != [HEARTBEAT]:
            print(f"neither a request nor a heartbeat: {frames}", flush=True)
            sys.exit(1)
    if time.monotonic() >= beat_at:
        worker.send(HEARTBEAT)
        beat_at = time.monotonic() + interval
