"""The supplicant in its loop: over a port made of paper, with the authenticator of the wlan tests behind it."""

from collections import deque
from typing import Any

import pytest

from board import aio
from drivers.errors import RadioError
from drivers.nl80211.errors import DisconnectedError
from stack.link.authentication import Authentication
from stack.link.reasons import LinkError, Reason
from stack.wlan.eapol import Gtk
from stack.wlan.handshake import Supplicant
from tests.unit.drivers.controller import now_ms, run
from tests.unit.wlan.authenticator import Authenticator
from tests.unit.wlan.pair import GROUP, GTK, NEXT_GTK, SNONCE


class PaperPort:
    """A port whose other end is an `Authenticator`; `done` says what the chip was told, in order."""

    def __init__(self, authenticator: Authenticator) -> None:
        self.authenticator = authenticator
        self.done: list[Any] = []
        self.frames: deque[bytes | RadioError] = deque([authenticator.m1()])

    async def receive_eapol(self) -> bytes:
        while not self.frames:
            await aio.sleep_ms(10)
        frame = self.frames.popleft()
        if isinstance(frame, RadioError):
            raise frame
        return frame

    async def send_eapol(self, frame: bytes) -> bool | None:
        self.done.append("sent")
        answer = self.authenticator.receive(frame)
        if answer:
            self.frames.append(answer)
        return True

    async def install_pairwise_key(self, key: bytes) -> None:
        self.done.append(("pairwise", key))

    async def install_group_key(self, key: bytes, index: int, sequence: bytes) -> None:
        self.done.append(("group", index, key))

    async def authorize(self) -> None:
        self.done.append("authorised")


def meeting(gtk: Gtk = GTK) -> tuple[PaperPort, Authentication]:
    port = PaperPort(Authenticator(GROUP, gtk=gtk))
    return port, Authentication(port, Supplicant(GROUP, lambda: SNONCE, now=now_ms()), now_ms)


def test_the_keys_come_in_this_order() -> None:
    async def test() -> None:
        port, authentication = meeting()
        await authentication.prove()
        assert port.done[:2] == ["sent", "sent"]
        assert [each[0] for each in port.done[2:4]] == ["pairwise", "group"]
        assert port.done[3] == ("group", GTK.index, GTK.key)
        assert port.done[4] == "authorised"

    run(test())


def test_a_rekey_is_answered_while_the_link_lives() -> None:
    async def test() -> None:
        port, authentication = meeting()
        await authentication.prove()
        del port.done[:]
        port.frames.append(port.authenticator.group_1(NEXT_GTK))
        port.frames.append(DisconnectedError(3, by_peer=True))
        with pytest.raises(LinkError) as ended:
            await authentication.keep()
        assert ended.value.reason is Reason.LOST
        assert ("group", NEXT_GTK.index, NEXT_GTK.key) in port.done
        assert "sent" in port.done

    run(test())


@pytest.mark.parametrize(
    ("comes", "reason"),
    [
        ([], Reason.TIMED_OUT),
        (["m1"] * 4, Reason.WRONG_PASSPHRASE),
        (["m1", DisconnectedError(15, by_peer=True)], Reason.WRONG_PASSPHRASE),
        ([DisconnectedError(3, by_peer=True)], Reason.LOST),
    ],
)
def test_how_it_fails(comes: list[Any], reason: Reason) -> None:
    async def test() -> None:
        port, authentication = meeting()
        port.frames.clear()
        port.authenticator.receive = lambda data: None  # type: ignore[method-assign]  # it never goes on to message 3
        for each in comes:
            port.frames.append(port.authenticator.m1() if each == "m1" else each)
        with pytest.raises(LinkError) as failed:
            await authentication.prove()
        assert failed.value.reason is reason
        assert "authorised" not in port.done

    run(test())


def test_a_dead_radio_goes_through() -> None:
    async def test() -> None:
        port, authentication = meeting()
        port.frames[0] = RadioError("gone")
        with pytest.raises(RadioError, match="gone"):
            await authentication.prove()

    run(test())
