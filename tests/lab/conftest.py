"""What the lab's tests share. Those beside this file run in the guest (`make lab`), those in `outside` on the host."""

import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.inside.world import USUAL_GROUP, Phone, set_country

INSIDE = "FERRY_LAB" in os.environ


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave a test out where it has no place, in one line for all of them."""
    for_host = item.path.is_relative_to(Path(__file__).parent / "outside")
    if for_host and INSIDE:
        pytest.skip("starts guests, from the host")
    if for_host and platform.machine() != "x86_64":
        pytest.skip("starts guests, which are amd64")
    if for_host and os.geteuid() != 0:
        pytest.skip("starts guests, for which the lab needs root")
    if not for_host and not INSIDE:
        pytest.skip("runs in the lab's guest: make lab")


@pytest.fixture
def phone() -> Iterator[Phone]:
    """The phone's radio, for tests that change its group; afterwards it is as it was."""
    phone = Phone()
    yield phone
    phone.host_group(USUAL_GROUP)


@pytest.fixture
def country() -> Iterator[None]:
    """The regulatory domain, for tests that change it; afterwards it is the world's again."""
    yield
    set_country("00")
