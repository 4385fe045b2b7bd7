# mypy: ignore-errors
# ruff: noqa: UP041
# A ThreadSafeFlag wakes its one waiter, clears itself, and remembers many sets as one. Set by the loop and by a thread.
import _thread
import asyncio

flag = asyncio.ThreadSafeFlag()


async def waiter():
    for number in range(3):
        await flag.wait()
        print("woken", number)


async def has_been_set():
    try:
        await asyncio.wait_for_ms(flag.wait(), 20)
        print("set")
    except asyncio.TimeoutError:
        print("not set")


async def main():
    flag.set()
    flag.set()
    await has_been_set()
    await has_been_set()
    flag.set()
    flag.clear()
    await has_been_set()

    task = asyncio.create_task(waiter())
    await asyncio.sleep_ms(0)
    for _ in range(2):
        print("set by the loop")
        flag.set()
        await asyncio.sleep_ms(20)
    print("set by a thread")
    _thread.start_new_thread(flag.set, ())
    await task
    await has_been_set()


asyncio.run(main())
