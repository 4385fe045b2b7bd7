"""A key as the button: the kernel's events, and devices that are none or end."""

import os
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from board.button import Edge, Input
from board.button_keys import KEY_POWER, KeyDevice, KeyDeviceError, edges, open_key

EV_SYN, EV_KEY, EV_MSC = 0, 1, 4
SYN_DROPPED = 3
ENTER = 28


def event(kind: int, code: int, value: int, at_us: int = 5_000_000) -> bytes:
    """Write struct input_event as linux/input.h has it."""
    return struct.pack("@llHHi", at_us // 1_000_000, at_us % 1_000_000, kind, code, value)


@pytest.fixture
def device() -> Iterator[tuple[KeyDevice, int]]:
    """Return a device and the end that the kernel has."""
    read, write = os.pipe2(os.O_NONBLOCK)
    with closing(KeyDevice(read, KEY_POWER)) as key:
        yield key, write
    os.close(write)


def test_a_press_of_the_key_is_two_edges_and_nothing_else_is_one() -> None:
    events = (
        event(EV_MSC, 4, 116),
        event(EV_KEY, KEY_POWER, 1, 7_001_999),
        event(EV_SYN, 0, 0),
        event(EV_KEY, ENTER, 1),
        event(EV_KEY, KEY_POWER, 2),
        event(EV_KEY, KEY_POWER, 0, 9_500_000),
        event(EV_SYN, 0, 0),
    )
    assert edges(b"".join(events), KEY_POWER) == [Edge(Input.PRESSED, 7_001), Edge(Input.RELEASED, 9_500)]


def test_dropped_events_are_a_loss() -> None:
    assert edges(event(EV_SYN, SYN_DROPPED, 0), KEY_POWER) == [Edge(Input.LOST, 5_000)]


def test_what_waits_is_read_without_blocking(device: tuple[KeyDevice, int]) -> None:
    key, kernel = device
    assert key.read() == []
    os.write(kernel, event(EV_KEY, KEY_POWER, 1))
    assert key.read() == [Edge(Input.PRESSED, 5_000)]


def test_half_an_event_is_no_input_device(device: tuple[KeyDevice, int]) -> None:
    key, kernel = device
    os.write(kernel, event(EV_KEY, KEY_POWER, 1)[:-1])
    with pytest.raises(KeyDeviceError):
        key.read()


def test_the_end_of_the_device_is_a_sentence() -> None:
    read, write = os.pipe2(os.O_NONBLOCK)
    os.close(write)
    with closing(KeyDevice(read, KEY_POWER)) as key, pytest.raises(KeyDeviceError, match="ended") as raised:
        key.read()
    assert raised.value.remedy


@pytest.mark.parametrize("path", ["/dev/null", "/dev/input/absent"])
def test_what_is_no_key_device_is_refused_and_left_closed(path: str) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(KeyDeviceError, match=f"{path} cannot be used as a button"):
        open_key(Path(path))
    assert len(os.listdir("/proc/self/fd")) == before
