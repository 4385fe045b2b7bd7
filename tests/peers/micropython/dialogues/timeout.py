# mypy: ignore-errors
# ruff: noqa: UP041
# wait_for_ms: in time, too late, never, nested, and the stream that a timeout leaves usable.
import asyncio
import sys
import time

PORT = int(sys.argv[1])


async def answer(delay_ms):
    try:
        await asyncio.sleep_ms(delay_ms)
        return delay_ms
    finally:
        print("answer ends", delay_ms)


async def fail():
    await asyncio.sleep_ms(1)
    raise ValueError("fails", 1)


async def limited(delay_ms, timeout_ms):
    try:
        print("in time", await asyncio.wait_for_ms(answer(delay_ms), timeout_ms))
    except asyncio.TimeoutError:
        print("too late", delay_ms)


async def stubborn():
    try:
        await asyncio.sleep_ms(1000)
    except asyncio.CancelledError:
        print("stubborn goes on")
    return "result"


async def serve(reader, writer):
    await asyncio.sleep_ms(60)
    writer.write(b"late")
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def main():
    await limited(10, 1000)
    await limited(1000, 10)
    await limited(0, 1000)
    print(await asyncio.wait_for(answer(5), None))
    try:
        await asyncio.wait_for_ms(fail(), 1000)
    except ValueError as error:
        print("error", error.args)
    try:
        await asyncio.wait_for_ms(limited(1000, 500), 20)
    except asyncio.TimeoutError:
        print("the outer limit came first")
    try:
        print(await asyncio.wait_for_ms(stubborn(), 10))
    except asyncio.TimeoutError:
        print("a timeout cannot be swallowed")

    deadline = time.ticks_add(time.ticks_ms(), 10)
    time.sleep_ms(15)
    print("past the deadline", time.ticks_diff(deadline, time.ticks_ms()) < 0)

    server = await asyncio.start_server(serve, "127.0.0.1", PORT)
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    start = time.ticks_ms()
    try:
        await asyncio.wait_for_ms(reader.read(10), 20)
    except asyncio.TimeoutError:
        print("nothing to read yet", 15 < time.ticks_diff(time.ticks_ms(), start) < 60)
    print("then", await asyncio.wait_for_ms(reader.read(10), 1000))
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


asyncio.run(main())
