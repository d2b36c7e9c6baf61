"""txZMQ on Twisted; its requests have ids, as ours."""

import time

import endpoint
import zmq
from twisted.internet import reactor
from txzmq import (
    ZmqEndpoint,
    ZmqFactory,
    ZmqPubConnection,
    ZmqPullConnection,
    ZmqPushConnection,
    ZmqREPConnection,
    ZmqREQConnection,
    ZmqSubConnection,
)

# How many messages are sent between two turns of the reactor.
BURST = 64

given = endpoint.task()
factory = ZmqFactory()
body = given.body


def opened(kind, **where):
    kind.highWaterMark = given.hwm
    connection = kind(factory)
    connection.socket.set_hwm(given.hwm)
    if "bind" in where:
        connection.addEndpoints([ZmqEndpoint("bind", endpoint.ANY_PORT)])
        endpoint.announce(connection.socket.getsockopt(zmq.LAST_ENDPOINT))
    else:
        connection.addEndpoints([ZmqEndpoint("connect", where["connect"])])
    return connection


def bind(kind):
    return opened(kind, bind=True)


def connect(kind):
    return opened(kind, connect=endpoint.hear())


class Pull(ZmqPullConnection):
    def onPull(self, message):
        endpoint.count += 1


class Sub(ZmqSubConnection):
    def gotMessage(self, message, tag):
        endpoint.count += 1


class Server(ZmqREPConnection):
    def gotMessage(self, message_id, *parts):
        self.reply(message_id, *parts)


class Sender:
    """Sends in bursts, and tries again what finds no room."""

    def __init__(self, send):
        self.send, self.pacer, self.again = send, endpoint.Pacer(given), False

    def burst(self):
        # Asked for its events, libzmq learns at once that there is room again.
        connection.socket.get(zmq.EVENTS)
        try:
            for _ in range(BURST):
                if not self.again and not self.pacer.one():
                    return self.pacer.finish()
                self.again = True
                self.send()
                self.again = False
        except zmq.Again:
            pass
        reactor.callLater(0, self.burst)


if given.role == "push":
    connection = connect(ZmqPushConnection)
    reactor.callWhenRunning(Sender(lambda: connection.push(body)).burst)
elif given.role == "pull":
    connection = bind(Pull)
    endpoint.watch_receiver(given)
elif given.role == "pub":
    connection = bind(ZmqPubConnection)
    endpoint.hear()
    reactor.callWhenRunning(Sender(lambda: connection.publish(body, endpoint.TOPIC)).burst)
elif given.role == "sub":
    connection = connect(Sub)
    connection.subscribe(endpoint.TOPIC)
    endpoint.ready()
    endpoint.watch_receiver(given)
elif given.role == "server":
    connection = bind(Server)
elif given.role == "client":
    connection = connect(ZmqREQConnection)
    connection.defaultRequestTimeout = 60
    endpoint.watch_client(given)

    def ask():
        began = time.monotonic()

        def answered(_):
            if given.window == 1:
                endpoint.round_trips.append(time.monotonic() - began)
            endpoint.count += 1
            # Not deeper into the same call.
            reactor.callLater(0, ask) if given.window == 1 else ask()

        connection.sendMsg(body).addCallback(answered)

    for _ in range(given.window):
        reactor.callWhenRunning(ask)

reactor.run()
