# mypy: ignore-errors
# ruff: noqa: RUF006
# Tasks that nobody holds: they live, their errors are reported at once, and they go on in the next run.
import asyncio


async def background():
    for number in range(4):
        print("background", number)
        await asyncio.sleep_ms(10)


async def dies():
    raise ValueError("dies", 3)


async def first():
    loop = asyncio.get_event_loop()
    loop.set_exception_handler(lambda loop, context: print(context["message"], context["exception"].args))
    asyncio.create_task(background())
    asyncio.create_task(dies())
    await asyncio.sleep_ms(15)
    caught = asyncio.create_task(dies())
    try:
        await caught
    except ValueError as error:
        print("caught", error.args)
    return "first ends"


async def second():
    await asyncio.sleep_ms(40)
    return "second ends"


print(asyncio.run(first()))
print(asyncio.run(second()))
