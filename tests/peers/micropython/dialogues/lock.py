# mypy: ignore-errors
# A Lock goes to who asked first, also past a waiter that was cancelled, and never to who released it and asks again.
import asyncio

lock = asyncio.Lock()


async def worker(name, rounds):
    for number in range(rounds):
        async with lock:
            print(name, "has it", number, lock.locked())
            await asyncio.sleep_ms(1)


async def impatient():
    try:
        async with lock:
            print("impatient has it")
    except asyncio.CancelledError:
        print("impatient is cancelled")
        raise


async def main():
    tasks = [asyncio.create_task(worker(name, 2)) for name in ("first", "second", "third")]
    await asyncio.gather(*tasks)
    print("free", not lock.locked())

    await lock.acquire()
    cancelled = asyncio.create_task(impatient())
    next_one = asyncio.create_task(worker("next", 1))
    await asyncio.sleep_ms(0)
    cancelled.cancel()
    lock.release()
    await next_one
    print("cancelled", cancelled.done(), "free", not lock.locked())

    await lock.acquire()
    waiting = asyncio.create_task(worker("late", 1))
    await asyncio.sleep_ms(0)
    lock.release()
    waiting.cancel()
    await asyncio.sleep_ms(5)
    print("free", not lock.locked())
    try:
        lock.release()
    except RuntimeError:
        print("not held")


asyncio.run(main())
