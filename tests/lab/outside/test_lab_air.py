"""What one join with the channel told puts on the air, from our side, as Wireshark reads it: no more than it needs."""

import json
import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from tests.lab.guest import Guest
from tests.lab.inside.air import GROUP
from tests.lab.outside.dissection import Frame, frames_of, sent_by

pytestmark = pytest.mark.timeout(900)

# What the kernel's 802.11 sends by itself: the negotiation of aggregation, and "I am awake".
KERNELS = {"action", "block ack request", "null"}
ADDRESSING = {"DHCP DISCOVER", "DHCP REQUEST", "ARP"}
FLOW = {"TCP SYN", "TCP ACK", "TCP"}


@pytest.fixture(scope="module")
def air(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Frame]]:
    """Our MAC, and every frame on the air while we joined, had one flow, were chatty beside it, and left."""
    if shutil.which("tshark") is None:
        pytest.skip("needs tshark: apt-get install tshark")
    folder: Path = tmp_path_factory.mktemp("guest")
    with Guest(folder) as guest:
        guest.read(f"python3 -m tests.lab.inside.world --frequency-mhz {GROUP.frequency_mhz}", timeout_s=120)
        said = json.loads(guest.read("python3 -m tests.lab.inside.air", timeout_s=120).splitlines()[-1])
    return said["station"], frames_of(said["capture"], GROUP)


@pytest.fixture
def sent(air: tuple[str, list[Frame]]) -> list[Frame]:
    station, frames = air
    return sent_by(frames, station)


def test_only_the_told_channel_is_asked_and_only_for_the_group(sent: list[Frame]) -> None:
    probes = {(each.frequency_mhz, each.ssid) for each in sent if each.what == "probe request"}
    assert probes == {(GROUP.frequency_mhz, GROUP.ssid)}
    assert {each.frequency_mhz for each in sent} == {GROUP.frequency_mhz}


def test_each_step_is_taken_once(sent: list[Frame]) -> None:
    count = Counter(each.what for each in sent)
    for step in ("authentication", "association request", "DHCP REQUEST", "TCP SYN", "deauthentication"):
        assert count[step] == 1, (step, count)
    assert not any(each.is_repeated for each in sent)


def test_the_handshake_is_repeated_only_where_the_phone_repeats_it(air: tuple[str, list[Frame]]) -> None:
    """An emulated machine may answer after the phone's 100 ms; then there is an answer a question, and no more."""
    station, frames = air
    asked = Counter(each.what for each in frames if each.receiver == station)
    answered = Counter(each.what for each in sent_by(frames, station))
    assert 1 <= answered["EAPOL 2/4"] <= asked["EAPOL 1/4"]
    assert 1 <= answered["EAPOL 4/4"] <= asked["EAPOL 3/4"]


def test_discovery_is_repeated_at_growing_intervals_until_the_offer(air: tuple[str, list[Frame]]) -> None:
    """The phone's server is silent for two seconds while it looks whether the address is free."""
    station, frames = air
    offered_s = next(each.at_s for each in frames if each.what == "DHCP OFFER")
    asked_s = [each.at_s for each in sent_by(frames, station) if each.what == "DHCP DISCOVER"]
    pauses_s = [after - before for before, after in pairwise(asked_s)]
    assert asked_s[-1] < offered_s
    assert pauses_s == sorted(pauses_s)


def test_nothing_but_the_address_and_the_one_flow_is_sent_while_associated(sent: list[Frame]) -> None:
    names = [each.what for each in sent]
    associated = sent[names.index("association request") + 1 : names.index("deauthentication")]
    handshake = {"EAPOL 2/4", "EAPOL 4/4"}
    assert {each.what for each in associated} <= handshake | ADDRESSING | FLOW | KERNELS
    assert len({each.flow for each in associated if each.what in FLOW}) == 1


def test_we_say_goodbye(sent: list[Frame]) -> None:
    assert sent[-1].what == "deauthentication"
