#!/usr/bin/env python3
"""Calls an actor behind a Service, and prints its result as JSON.

    python3 client.py tcp://127.0.0.1:5555 Add '[1, 2]' --codec json

The status is 1 for a failure, with its code and text, and for a timeout.
"""

import argparse
import json
import struct
import sys
import time
import uuid

import zmq

CODECS = {"json": (lambda value: json.dumps(value).encode(), json.loads)}
try:
    import msgpack
    CODECS["msgpack"] = (msgpack.packb, msgpack.unpackb)
except ImportError:
    pass


def call(socket, codec, name, message, timeout, traceparent=""):
    """The result; docs/wire-format.md says what each field is."""
    write, read = CODECS[codec]
    until = time.monotonic() + timeout
    request, names = uuid.uuid4().bytes, (codec.encode(), name.encode())
    # No flags, not sent before, and a clock that is nobody's.
    header = struct.pack(">2sBBBBBBIQQ", b"AZ", 1, 1, 0, 0, *map(len, names), int(timeout * 1000), 0, 0)
    # What the service does belongs to this trace, if there is one.
    field = struct.pack(">B11sH", 11, b"traceparent", len(traceparent)) + traceparent.encode() if traceparent else b""
    socket.send_multipart([request, b"", header + b"".join(names) + field, write(message)])
    while socket.poll(max(0, until - time.monotonic()) * 1000):
        answered, _, header, *body = socket.recv_multipart()
        if answered != request:
            continue  # late, to a call that was given up
        magic, version, kind, _, code = struct.unpack_from(">2sBBBB", header)
        if (magic, version, kind) == (b"AZ", 1, 2):
            return read(body[0])
        sys.exit(f"failure {code}: {body[0].decode()}" if kind == 3 else "no answer of version 1")
    sys.exit("timed out")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Calls an actor behind a Service.")
    parser.add_argument("endpoint")
    parser.add_argument("name", help="of the message, such as Add, $ping or $info")
    parser.add_argument("message", nargs="?", default="{}", help="in JSON, whatever is sent")
    parser.add_argument("--codec", choices=CODECS, default="json")
    parser.add_argument("--timeout", type=float, default=5, help="in seconds")
    parser.add_argument("--traceparent", default="", help="of W3C Trace Context")
    args = parser.parse_args()
    dealer = zmq.Context().socket(zmq.DEALER)
    dealer.linger = 0
    dealer.connect(args.endpoint)
    message = json.loads(args.message)
    print(json.dumps(call(dealer, args.codec, args.name, message, args.timeout, args.traceparent)))
