#!/usr/bin/env python3
"""Serves Add and math.divide to callers in Rust, in JSON and, if it is there, MessagePack.

    python3 server.py tcp://127.0.0.1:5555
"""

import json
import struct
import sys

import zmq

CODECS = {"json": (lambda value: json.dumps(value).encode(), json.loads)}
try:
    import msgpack
    CODECS["msgpack"] = (msgpack.packb, msgpack.unpackb)
except ImportError:
    pass


def add(numbers):
    a, b = numbers
    return a + b


def divide(message):
    """In Rust a `Result<f64, Refusal>`: the error is a result, too."""
    if message["divisor"] == 0:
        return {"Err": {"ByZero": {"dividend": message["dividend"]}}}
    return {"Ok": message["dividend"] / message["divisor"]}


INFO = {"name": "python", "version": "1", "codec": "json", "routes": ["Add", "math.divide"]}
SERVED = {"Add": add, "math.divide": divide, "$ping": lambda _: None, "$info": lambda _: INFO}


def failure(code, text):
    return [struct.pack(">2sBBBBBB", b"AZ", 1, 3, 0, code, 0, 0), text.encode()]


def answer(header, *body):
    """What a call is answered; docs/wire-format.md says what each field is."""
    if len(header) < 8 or not header.startswith(b"AZ"):
        return failure(10, "no header")
    if header[2] != 1:
        return failure(7, "version 1 is served")
    if header[3] != 1 or len(header) < 28:
        return failure(10, "not a call")
    end = 28 + header[6]
    codec, name = (part.decode(errors="replace") for part in (header[28:end], header[end:end + header[7]]))
    if name not in SERVED:
        return failure(1, f"{name!r} is not served")
    if codec not in CODECS:
        return failure(6, f"in {codec!r}; {list(CODECS)} are served")
    write, read = CODECS[codec]
    try:
        result = SERVED[name](None if name.startswith("$") else read(*body))
        return [struct.pack(">2sBBBBBB", b"AZ", 1, 2, 0, 0, len(codec), 0) + codec.encode(), write(result)]
    except Exception as error:
        return failure(2, repr(error))


if __name__ == "__main__":
    # A REP keeps what is before the delimiter, and puts it before the answer.
    rep = zmq.Context().socket(zmq.REP)
    rep.bind(sys.argv[1])
    print("ready", rep.last_endpoint.rstrip(b"\0").decode(), flush=True)
    while True:
        rep.send_multipart(answer(*rep.recv_multipart()))
