# mypy: ignore-errors
# One connection over loopback: every way to read, up to the end that the peer makes.
import asyncio
import sys

PORT = int(sys.argv[1])


async def serve(reader, writer):
    print("server has", await reader.readexactly(5))
    writer.write(b"a line\n")
    writer.write(b"what follows stays: ")
    writer.write(b"12345678")
    await writer.drain()
    print("server has", await reader.readline())
    writer.write(b"rest")
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", PORT)
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    print("one object", reader is writer)
    writer.write(b"he")
    await writer.drain()
    await asyncio.sleep_ms(20)
    writer.write(b"llo")
    await writer.drain()

    print("client has", await reader.readline())
    print("client has", await reader.readexactly(20))
    half = bytearray(4)
    print("client has", await reader.readinto(half), half)
    print("client has", await reader.read(100))
    print("nothing:", await reader.readexactly(0))

    writer.write(b"bye\n")
    await writer.drain()
    try:
        await reader.readexactly(5)
    except EOFError:
        print("the end came before")
    print("end", await reader.read(1), await reader.read(), await reader.readline())
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
    print("closed")


asyncio.run(main())
