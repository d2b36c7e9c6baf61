#!/usr/bin/env python3
"""A real peer for the interoperability tests: plain pyzmq, txZMQ on Twisted, or plain TCP.

After a bind it prints `ready <endpoint>`. Messages are lines of tab-separated
fields, each frame in lower-case hexadecimal, an empty frame as `-`: received
ones on stdout behind a word that says what they are, those to send on stdin.
The line `end`, or the end of stdin, ends the program; so does `--count N`
received messages, and the deadline, with status 3. With `--flood`, pyzmq's
push, pub and req send `[identity, number]` from 0 on, as fast as they may.
"""

import argparse
import os
import threading


def show(word, frames=()):
    fields = [word] + [frame.hex() or "-" for frame in frames]
    print("\t".join(fields), flush=True)


def parse(line):
    fields = line.rstrip("\n").split("\t")
    return [b"" if field == "-" else bytes.fromhex(field) for field in fields]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lib", choices=["pyzmq", "txzmq", "tcp"], required=True)
    parser.add_argument("--role", required=True)
    parser.add_argument("--method", choices=["bind", "connect"], required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--count", type=int, default=0, help="received messages; 0: no end")
    parser.add_argument("--topic", default="")
    parser.add_argument("--types", default="", help="of misfits, with commas")
    parser.add_argument("--identity", default="")
    parser.add_argument("--curve-secret", default="", help="our own key, in Z85")
    parser.add_argument("--curve-server-key", default="", help="without it we are the server")
    parser.add_argument("--flood", action="store_true", help="send numbered messages, untold")
    parser.add_argument("--deadline", type=float, default=60.0, help="seconds")
    return parser.parse_args()


def with_pyzmq(args):
    import zmq

    types = {
        "pub": zmq.PUB, "sub": zmq.SUB, "push": zmq.PUSH, "pull": zmq.PULL,
        "req": zmq.REQ, "rep": zmq.REP, "dealer": zmq.DEALER, "router": zmq.ROUTER,
        "router-echo": zmq.ROUTER, "xpub": zmq.XPUB, "xsub": zmq.XSUB, "pair": zmq.PAIR,
        "stream": zmq.STREAM,
    }
    if args.role == "misfits":
        return misfits(args, types)
    if args.role == "visitor":
        return visitor(args)
    socket = zmq.Context().socket(types[args.role])
    socket.linger = 2000
    if args.curve_secret:
        secret = args.curve_secret.encode()
        socket.curve_secretkey, socket.curve_publickey = secret, zmq.curve_public(secret)
    if args.curve_server_key:
        socket.curve_serverkey = args.curve_server_key.encode()
    elif args.curve_secret:
        socket.curve_server = 1
    if args.identity:
        socket.identity = args.identity.encode()
    if args.role == "sub":
        socket.subscribe(args.topic.encode())
    if args.method == "bind":
        socket.bind(args.endpoint)
        print("ready", socket.last_endpoint.rstrip(b"\0").decode(), flush=True)
    else:
        socket.connect(args.endpoint)
    if args.role == "sub":
        show("subscribed")
    if args.role == "xsub":
        socket.send(b"\1" + args.topic.encode())
    if args.flood and args.role == "req":
        # Or it takes what its predecessor was answered for its own: where we
        # connected to, libzmq keeps replies for whoever listens next.
        socket.req_correlate = socket.req_relaxed = 1
    number = 0
    while args.flood:
        socket.send_multipart([args.identity.encode(), b"%d" % number])
        number += 1
        if args.role == "req":
            show("reply", socket.recv_multipart())
    receives = args.role not in ("pub", "push", "req")
    word = {"rep": "request", "xpub": "sub"}.get(args.role, "msg")
    # Receivers that are told nothing on stdin do not end with it.
    listens = args.role not in ("sub", "pull", "rep", "router-echo")
    poller = zmq.Poller()
    if receives:
        poller.register(socket, zmq.POLLIN)
    if listens:
        poller.register(0, zmq.POLLIN)
    lines = os.fdopen(0, "rb", buffering=0)
    pending, seen = b"", 0
    while True:
        for ready, _ in poller.poll():
            if ready is socket:
                frames = socket.recv_multipart()
                show(word, frames)
                if args.role in ("rep", "router-echo"):
                    socket.send_multipart(frames)
                seen += 1
                if args.count and seen >= args.count:
                    return
                continue
            data = lines.read(65536)
            pending += data
            *whole, pending = pending.split(b"\n")
            for line in whole:
                if line == b"end":
                    return
                socket.send_multipart(parse(line.decode()))
                if args.role == "req":
                    show("reply", socket.recv_multipart())
            if not data:
                return


def misfits(args, types):
    """Sockets of types that the other side must not let in, and what becomes of each."""
    import zmq
    from zmq.utils.monitor import recv_monitor_message

    context = zmq.Context()
    watched = []
    for name in args.types.split(","):
        socket = context.socket(types[name])
        socket.linger = 0
        events = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        watched.append((name, socket, socket.get_monitor_socket(events)))
        if args.method == "bind":
            socket.bind(args.endpoint)
            print("ready", socket.last_endpoint.rstrip(b"\0").decode(), flush=True)
        else:
            socket.connect(args.endpoint)
    for name, _, monitor in watched:
        let_in = recv_monitor_message(monitor)["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED
        show("let-in" if let_in else "refused", [name.encode()])


def visitor(args):
    """Connects, says one thing and goes away, so many times."""
    import zmq

    context = zmq.Context()
    for _ in range(args.count):
        with context.socket(zmq.PUSH) as socket:
            socket.linger = 10000
            socket.connect(args.endpoint)
            socket.send(b"hello")
    show("done")
    context.term()


def with_tcp(args):
    import select
    import socket

    host, port = args.endpoint.removeprefix("tcp://").split(":")
    if args.method == "bind":
        with socket.create_server((host, 0 if port == "*" else int(port))) as server:
            print("ready", "tcp://%s:%d" % server.getsockname(), flush=True)
            connection, _ = server.accept()
    else:
        connection = socket.create_connection((host, int(port)))
    lines = os.fdopen(0, "rb", buffering=0)
    pending = b""
    while True:
        for ready in select.select([connection, lines], [], [])[0]:
            data = connection.recv(65536) if ready is connection else lines.read(65536)
            if not data:
                return
            if ready is connection:
                show("msg", [data])
                continue
            pending += data
            *whole, pending = pending.split(b"\n")
            for line in whole:
                connection.sendall(b"".join(parse(line.decode())))


def with_txzmq(args):
    import zmq
    from twisted.internet import reactor, stdio
    from twisted.protocols.basic import LineOnlyReceiver
    from txzmq import (
        ZmqDealerConnection, ZmqEndpoint, ZmqFactory, ZmqPubConnection, ZmqPullConnection,
        ZmqPushConnection, ZmqREPConnection, ZmqREQConnection, ZmqRequestTimeoutError,
        ZmqRouterConnection, ZmqSubConnection,
    )

    factory = ZmqFactory()
    factory.lingerPeriod = 2000
    seen = 0

    def end():
        factory.shutdown()
        reactor.stop()

    def received(word, frames):
        nonlocal seen
        show(word, frames)
        seen += 1
        if args.count and seen == args.count:
            # What the handler still sends goes out first.
            reactor.callLater(0, end)

    class Sub(ZmqSubConnection):
        def gotMessage(self, message, tag):
            received("msg", [tag, message])

    class Pull(ZmqPullConnection):
        def onPull(self, message):
            received("msg", message)

    class Rep(ZmqREPConnection):
        def gotMessage(self, messageId, *parts):
            self.reply(messageId, *parts)
            received("request", parts)

    class Dealer(ZmqDealerConnection):
        def gotMessage(self, *parts):
            received("msg", parts)

    class Router(ZmqRouterConnection):
        def gotMessage(self, sender, *parts):
            received("msg", (sender,) + parts)

    classes = {
        "pub": ZmqPubConnection, "sub": Sub, "push": ZmqPushConnection, "pull": Pull,
        "req": ZmqREQConnection, "rep": Rep, "dealer": Dealer, "router": Router,
    }
    identity = args.identity.encode() or None
    endpoint = ZmqEndpoint(args.method, args.endpoint)
    connection = classes[args.role](factory, endpoint, identity)
    if args.method == "bind":
        bound = connection.socket.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()
        print("ready", bound, flush=True)
    if args.role == "sub":
        connection.subscribe(args.topic.encode())
        show("subscribed")

    def request(frames):
        def failed(failure):
            failure.trap(ZmqRequestTimeoutError)
            received("timeout", [])

        deferred = connection.sendMsg(*frames, timeout=10)
        deferred.addCallbacks(lambda reply: received("reply", reply), failed)

    sends = {
        "pub": lambda frames: connection.publish(frames[1], frames[0]),
        "push": lambda frames: connection.push(frames),
        "req": request,
        "dealer": lambda frames: connection.sendMultipart(frames),
        "router": lambda frames: connection.sendMultipart(frames[0], frames[1:]),
    }

    waiting = []

    def send():
        # txZMQ raises where ZeroMQ would block: nobody may be connected yet.
        while waiting:
            try:
                sends[args.role](waiting[0])
            except zmq.Again:
                reactor.callLater(0.01, send)
                return
            del waiting[0]

    class Lines(LineOnlyReceiver):
        delimiter = b"\n"
        MAX_LENGTH = 1 << 26

        def lineReceived(self, line):
            if line == b"end":
                end()
            elif args.role in sends:
                waiting.append(parse(line.decode()))
                if len(waiting) == 1:
                    send()

        def connectionLost(self, reason):
            if args.role in sends and reactor.running:
                end()

    stdio.StandardIO(Lines())
    reactor.run()


def main():
    args = arguments()
    # Whatever hangs: a test must not leave a peer behind.
    watchdog = threading.Timer(args.deadline, lambda: os._exit(3))
    watchdog.daemon = True
    watchdog.start()
    if args.lib == "pyzmq":
        with_pyzmq(args)
    elif args.lib == "tcp":
        with_tcp(args)
    else:
        with_txzmq(args)


if __name__ == "__main__":
    main()
