# mypy: ignore-errors
# ruff: noqa: UP041
# Which handler of two gets a timeout.
import asyncio


async def main():
    try:
        await asyncio.wait_for_ms(asyncio.Event().wait(), 1)
    except OSError:
        print("OSError")
    except asyncio.TimeoutError:
        print("TimeoutError")


asyncio.run(main())
