# mypy: ignore-errors
# A program as people write them for a board: a library of two classes, a server with its clients, a sensor, a
# limit to silence. Topics and lines of JSON over TCP.
import json
import sys

import uasyncio as asyncio
import utime as time
from micropython import const

_PORT = int(sys.argv[1])
_QUEUE_SIZE = const(4)
_SILENCE_MS = const(80)


class Queue:
    def __init__(self, maxsize):
        self._items = []
        self._maxsize = maxsize
        self._changed = asyncio.Event()

    async def put(self, item):
        while len(self._items) >= self._maxsize:
            await self._wait()
        self._items.append(item)
        self._changed.set()

    async def get(self):
        while not self._items:
            await self._wait()
        item = self._items.pop(0)
        self._changed.set()
        return item

    async def _wait(self):
        self._changed.clear()
        await self._changed.wait()


class Broker:
    def __init__(self):
        self._topics = {}

    def subscribe(self, topic, queue):
        self._topics.setdefault(topic, []).append(queue)

    def unsubscribe(self, queue):
        for queues in self._topics.values():
            if queue in queues:
                queues.remove(queue)

    async def publish(self, topic, value):
        queues = self._topics.get(topic, [])
        for queue in queues:
            await queue.put({"topic": topic, "value": value})
        return len(queues)


broker = Broker()


async def forward(queue, writer):
    while True:
        message = await queue.get()
        writer.write(json.dumps(message["value"]).encode() + b"\n")
        await writer.drain()


async def serve(reader, writer):
    queue = Queue(_QUEUE_SIZE)
    forwarder = asyncio.create_task(forward(queue, writer))
    try:
        while True:
            line = await asyncio.wait_for_ms(reader.readline(), _SILENCE_MS)
            if not line:
                print("client left")
                break
            request = json.loads(line)
            if "subscribe" in request:
                broker.subscribe(request["subscribe"], queue)
            else:
                await broker.publish(request["publish"], request["value"])
    except asyncio.TimeoutError:
        print("client is silent")
    finally:
        broker.unsubscribe(queue)
        forwarder.cancel()
        writer.close()
        await writer.wait_closed()


async def sensor():
    for sample in range(21, 23):
        await asyncio.sleep_ms(30)
        await broker.publish("temperature", sample)


async def send(writer, message):
    writer.write((json.dumps(message) + "\n").encode())
    await writer.drain()


async def subscriber(count):
    reader, writer = await asyncio.open_connection("127.0.0.1", _PORT)
    await send(writer, {"subscribe": "temperature"})
    values = []
    for _ in range(count):
        values.append(json.loads(await reader.readline()))
    writer.close()
    await writer.wait_closed()
    return values


async def publisher():
    _, writer = await asyncio.open_connection("127.0.0.1", _PORT)
    for value in (30, [31, "warm"], None):
        await send(writer, {"publish": "temperature", "value": value})
    return writer


async def main():
    start = time.ticks_ms()
    async with await asyncio.start_server(serve, "127.0.0.1", _PORT):
        subscribers = [asyncio.create_task(subscriber(5)) for _ in range(2)]
        await sensor()
        writer = await publisher()
        for values in await asyncio.gather(*subscribers):
            print("subscriber has", values)
        await asyncio.sleep_ms(2 * _SILENCE_MS)
        writer.close()
        await writer.wait_closed()
    print("took long enough", time.ticks_diff(time.ticks_ms(), start) >= 2 * _SILENCE_MS)
    print("heard by", await broker.publish("temperature", 0))


asyncio.run(main())
