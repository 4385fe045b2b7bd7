"""The virtual air: when the user names the radio `virtual`, this machine plays two controllers and a phone in range."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

VIRTUAL = "virtual"
_LEAVING_PATIENCE_S = 5.0


@contextmanager
def in_range(spec: str | None, phone_does: Literal["receive", "introduce"]) -> Iterator[str | None]:
    """Yield `spec`, or for `virtual` the way to a virtual controller, with a virtual phone in its air."""
    if spec != VIRTUAL:
        yield spec
        return
    from stack.station.demo.controllers import VirtualAir

    with VirtualAir(2) as air:
        ours, its = air.hci
        with virtual_phone(phone_does, its):
            yield ours


@contextmanager
def virtual_phone(does: str, hci: str, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a virtual phone on the controller `hci` within the block."""
    command = [sys.executable, "-m", "stack.station.demo.phone", does, hci, *arguments]
    phone = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        yield phone
    finally:
        phone.terminate()
        try:
            phone.wait(_LEAVING_PATIENCE_S)
        except subprocess.TimeoutExpired:
            phone.kill()
            phone.wait()
