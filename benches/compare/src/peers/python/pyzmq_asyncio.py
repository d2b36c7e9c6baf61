"""pyzmq's sockets for asyncio."""

import asyncio
import time

import endpoint
import zmq
import zmq.asyncio

given = endpoint.task()
context = zmq.asyncio.Context()


def open_socket(kind):
    socket = context.socket(kind)
    socket.sndhwm = socket.rcvhwm = given.hwm
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


async def main():
    body = given.body
    if given.role == "push":
        socket = connect(zmq.PUSH)
        pacer = endpoint.Pacer(given)
        while pacer.one():
            await socket.send(body)
        pacer.finish()
    elif given.role == "pull":
        socket = bind(zmq.PULL)
        endpoint.watch_receiver(given)
        while True:
            await socket.recv()
            endpoint.count += 1
    elif given.role == "pub":
        socket = bind(zmq.PUB)
        endpoint.hear()
        pacer = endpoint.Pacer(given)
        while pacer.one():
            await socket.send_multipart((endpoint.TOPIC, body))
        pacer.finish()
    elif given.role == "sub":
        socket = connect(zmq.SUB)
        endpoint.ready()
        endpoint.watch_receiver(given)
        while True:
            await socket.recv_multipart()
            endpoint.count += 1
    elif given.role == "server":
        socket = bind(zmq.ROUTER)
        while True:
            await socket.send_multipart(await socket.recv_multipart())
    elif given.role == "client":
        socket = connect(zmq.DEALER)
        endpoint.watch_client(given)
        began = time.monotonic()
        for _ in range(given.window):
            await socket.send(body)
        while True:
            await socket.recv()
            if given.window == 1:
                now = time.monotonic()
                endpoint.round_trips.append(now - began)
                began = now
            endpoint.count += 1
            await socket.send(body)
    await asyncio.Event().wait()


asyncio.run(main())
