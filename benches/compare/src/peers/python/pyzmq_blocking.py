"""pyzmq, blocking calls; `copy=True`, which is faster below 64 KiB."""

import time

import endpoint
import zmq

given = endpoint.task()
context = zmq.Context()


def open_socket(kind):
    socket = context.socket(kind)
    socket.sndhwm = socket.rcvhwm = given.hwm
    socket.copy_threshold = 0
    return socket


def bind(kind):
    socket = open_socket(kind)
    socket.bind(endpoint.ANY_PORT)
    endpoint.announce(socket.last_endpoint)
    return socket


def connect(kind):
    socket = open_socket(kind)
    if kind == zmq.SUB:
        socket.subscribe(endpoint.TOPIC)
    socket.connect(endpoint.hear())
    return socket


copy = given.size < 65536
body = given.body
if given.role == "push":
    send = connect(zmq.PUSH).send
    pacer = endpoint.Pacer(given)
    while pacer.one():
        send(body, copy=copy)
    pacer.finish()
elif given.role == "pull":
    receive = bind(zmq.PULL).recv
    endpoint.watch_receiver(given)
    while True:
        receive(copy=copy)
        endpoint.count += 1
elif given.role == "pub":
    send = bind(zmq.PUB).send_multipart
    endpoint.hear()
    pacer = endpoint.Pacer(given)
    while pacer.one():
        send((endpoint.TOPIC, body), copy=copy)
    pacer.finish()
elif given.role == "sub":
    receive = connect(zmq.SUB).recv_multipart
    endpoint.ready()
    endpoint.watch_receiver(given)
    while True:
        receive(copy=copy)
        endpoint.count += 1
elif given.role == "server":
    socket = bind(zmq.ROUTER)
    while True:
        socket.send_multipart(socket.recv_multipart())
elif given.role == "client":
    socket = connect(zmq.DEALER)
    endpoint.watch_client(given)
    began = time.monotonic()
    for _ in range(given.window):
        socket.send(body)
    while True:
        socket.recv()
        if given.window == 1:
            now = time.monotonic()
            endpoint.round_trips.append(now - began)
            began = now
        endpoint.count += 1
        socket.send(body)

while True:
    time.sleep(60)
