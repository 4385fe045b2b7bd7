"""What both phones' processes share: a Bumble host at a controller, and JSON lines with the time."""

import asyncio
import contextlib
import json
import os
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

from bumble.device import Device
from bumble.hci import Address
from bumble.transport import open_transport

SERVICE, STATUS, P2P = "9955", "9954", "9953"
_BUMBLES_NAMES = {"tcp": "tcp-client", "uart": "serial"}


def report(**what: Any) -> None:
    """Print a line; `at_ms` is CLOCK_MONOTONIC, which all processes of a machine share."""
    print(json.dumps({"at_ms": round(time.monotonic_ns() / 1e6, 3), **what}), flush=True)


@contextlib.asynccontextmanager
async def powered(controller: str, address: str) -> AsyncIterator[Device]:
    """Give a host at `controller` (`tcp:HOST:PORT` or `uart:PATH`) that uses the random `address`."""
    kind, _, place = controller.partition(":")
    async with await open_transport(f"{_BUMBLES_NAMES[kind]}:{place}") as transport:
        device = Device.with_hci("phone", Address(address), transport.source, transport.sink)
        await device.power_on()
        yield device


def input_lines() -> "asyncio.Queue[str]":
    """Return what comes on standard input, line by line; an empty line is its end."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str]()

    def read() -> None:
        with os.fdopen(0) as source, contextlib.suppress(RuntimeError):
            for line in source:
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, "")

    threading.Thread(target=read, daemon=True).start()
    return lines
