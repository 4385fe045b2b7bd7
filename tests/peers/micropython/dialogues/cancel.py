# mypy: ignore-errors
# Cancelling tasks that sleep, read, wait for others or have ended; and gather.
import asyncio
import sys

PORT = int(sys.argv[1])


async def sleeper(name):
    try:
        await asyncio.sleep(10)
    finally:
        print(name, "cleans up")


async def nested():
    try:
        await asyncio.create_task(sleeper("inner"))
    except asyncio.CancelledError:
        print("outer cleans up")
        raise


async def reading(reader):
    try:
        await reader.read(10)
    except asyncio.CancelledError:
        print("read is cancelled")
        raise


async def nap():
    await asyncio.sleep_ms(5)


async def broken():
    await asyncio.sleep_ms(1)
    raise ValueError("broken", 2)


async def outcome(task):
    try:
        await task
    except asyncio.CancelledError:
        print("CancelledError", task.done())


async def serve(reader, writer):
    await reader.readexactly(1)
    writer.write(b"data")
    await writer.drain()


async def main():
    for coro in (sleeper("task"), nested()):
        task = asyncio.create_task(coro)
        await asyncio.sleep_ms(1)
        print("cancel", task.cancel())
        await outcome(task)
        print("again", task.cancel())

    never = asyncio.create_task(sleeper("never begun"))
    never.cancel()
    await outcome(never)

    server = await asyncio.start_server(serve, "127.0.0.1", PORT)
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    task = asyncio.create_task(reading(reader))
    await asyncio.sleep_ms(10)
    task.cancel()
    await outcome(task)
    writer.write(b"?")
    await writer.drain()
    print("read again", await reader.read(10))
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()

    results = await asyncio.gather(broken(), nap(), return_exceptions=True)
    print("gathered", [getattr(result, "args", result) for result in results])
    sleeping = asyncio.create_task(sleeper("sibling"))
    try:
        await asyncio.gather(broken(), sleeping)
    except ValueError as error:
        print("gather raises", error.args, sleeping.done())
    gathering = asyncio.create_task(asyncio.gather(sleeping, sleeper("second sibling")))
    await asyncio.sleep_ms(1)
    gathering.cancel()
    await asyncio.sleep_ms(5)
    print("all cancelled", sleeping.done())


asyncio.run(main())
