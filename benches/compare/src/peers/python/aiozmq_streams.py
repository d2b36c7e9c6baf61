"""aiozmq's streams."""

import asyncio
import time

import aiozmq
import endpoint
import zmq

given = endpoint.task()


async def open_stream(kind, **where):
    if "bind" in where:
        stream = await aiozmq.create_zmq_stream(kind, high_read=given.hwm or None)
    else:
        stream = await aiozmq.create_zmq_stream(kind)
    transport = stream.transport
    transport.setsockopt(zmq.SNDHWM, given.hwm)
    transport.setsockopt(zmq.RCVHWM, given.hwm)
    if kind == zmq.SUB:
        transport.subscribe(endpoint.TOPIC)
    if "bind" in where:
        endpoint.announce(await transport.bind(where["bind"]))
    else:
        await transport.connect(where["connect"])
    return stream


async def bind(kind):
    return await open_stream(kind, bind=endpoint.ANY_PORT)


async def connect(kind):
    return await open_stream(kind, connect=endpoint.hear())


async def main():
    body = given.body
    if given.role in ("push", "pub"):
        if given.role == "push":
            stream, frames = await connect(zmq.PUSH), (body,)
        else:
            stream, frames = await bind(zmq.PUB), (endpoint.TOPIC, body)
            endpoint.hear()
        pacer = endpoint.Pacer(given)
        while pacer.one():
            stream.write(frames)
            await stream.drain()
        pacer.finish()
    elif given.role in ("pull", "sub"):
        if given.role == "pull":
            stream = await bind(zmq.PULL)
        else:
            stream = await connect(zmq.SUB)
            endpoint.ready()
        endpoint.watch_receiver(given)
        while True:
            await stream.read()
            endpoint.count += 1
    elif given.role == "server":
        stream = await bind(zmq.ROUTER)
        while True:
            stream.write(await stream.read())
    elif given.role == "client":
        stream = await connect(zmq.DEALER)
        endpoint.watch_client(given)
        began = time.monotonic()
        for _ in range(given.window):
            stream.write((body,))
        while True:
            await stream.read()
            if given.window == 1:
                now = time.monotonic()
                endpoint.round_trips.append(now - began)
                began = now
            endpoint.count += 1
            stream.write((body,))
    await asyncio.Event().wait()


asyncio.run(main())
