"""The credential exchange: who has read which key, when it changes, and what is refused (protocol 3 and 4)."""

from collections.abc import Iterator

import pytest

from board.errors import RemoteProtocolError
from stack.alliance.cipher import KeyPair
from stack.alliance.credentials import CredentialExchange, Credentials
from stack.alliance.device_info import STATE_BUSY, STATE_READY, UNKNOWN_MAC, parse_device_info
from stack.alliance.inbox import PATIENCE_MS
from stack.alliance.link_info import LinkInfo, build_link_info

LINK = LinkInfo("DIRECT-a1B2c3D4", "Zx81Qw7e", 43210, "02:11:22:33:44:55", "1c5e")
OTHER_LINK = LinkInfo("DIRECT-zzzz", "87654321", 1234, "02:11:22:33:44:66", "9a9a")
PHONE_KEYS = KeyPair.from_private_scalar(11)


def station() -> Credentials:
    """A station whose pairs are known: scalars 100, 101, 102, ..."""
    scalars = _count_from(100)
    return Credentials(lambda: KeyPair.from_private_scalar(next(scalars)))


def _count_from(first: int) -> Iterator[int]:
    while True:
        yield first
        first += 1


def pair(number: int) -> str:
    return KeyPair.from_private_scalar(100 + number).public_key


def written(key: str | None, link: LinkInfo = LINK) -> bytes:
    """What a phone writes that has read `key`."""
    return build_link_info(link, PHONE_KEYS, key)


def key_read(exchange: CredentialExchange) -> str:
    key = parse_device_info(exchange.status()).key
    assert key is not None
    return key


def test_the_status_tells_state_key_and_mac() -> None:
    credentials = station()
    info = parse_device_info(CredentialExchange(credentials).status())
    assert (info.state, info.key, info.mac) == (STATE_READY, pair(0), UNKNOWN_MAC)
    credentials.busy, credentials.mac = True, "DA:1B:2C:3D:4E:5F"
    info = parse_device_info(CredentialExchange(credentials).status())
    assert (info.state, info.key, info.mac) == (STATE_BUSY, pair(0), "da:1b:2c:3d:4e:5f")


def test_a_visit() -> None:
    exchange = CredentialExchange(station())
    assert exchange.write(written(key_read(exchange)), 0) == LINK


def test_a_visit_in_pieces() -> None:
    credentials = station()
    exchange = CredentialExchange(credentials)
    value = written(key_read(exchange))
    parts = [value[at : at + 18] for at in range(0, len(value), 18)]
    *before, last = [exchange.write(part, 0) for part in parts]
    assert not any(before)
    assert last == LINK
    assert credentials.keys.public_key == pair(1), "one write, one new pair"


def test_a_phone_may_write_without_reading() -> None:
    exchange = CredentialExchange(station())
    assert exchange.write(written(pair(0)), 0) == LINK
    assert exchange.write(written(None, OTHER_LINK), 0) == OTHER_LINK


# Fresh keys.


def test_the_pair_is_new_after_each_accepted_write() -> None:
    credentials = station()
    for number in range(4):
        exchange = CredentialExchange(credentials)
        assert key_read(exchange) == pair(number)
        assert exchange.write(written(pair(number)), 0) == LINK
    assert credentials.keys.public_key == pair(4)


REFUSED = {
    "no JSON": b"hello",
    "no object": b"[1]",
    "no fields": b"{}",
    "another key": written(KeyPair.from_private_scalar(7).public_key),
    "no key at all": b'{"id":"x","ssid":"DIRECT-aa","psk":"12345678","mac":"","port":1,"key":"AAAA"}',
    "no port": b'{"id":"x","ssid":"DIRECT-aa","psk":"12345678","mac":""}',
    "a newline in the ssid": b'{"ssid":"DIRECT-aa\\npsk=x","psk":"12345678","port":1}',
}


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
def test_a_refused_write_changes_nothing(value: bytes) -> None:
    credentials = station()
    exchange = CredentialExchange(credentials)
    key = key_read(exchange)
    with pytest.raises(RemoteProtocolError):
        exchange.write(value, 0)
    assert credentials.keys.public_key == key == pair(0)
    assert exchange.write(written(key), 0) == LINK


def test_a_half_write_changes_nothing() -> None:
    credentials = station()
    exchange = CredentialExchange(credentials)
    assert exchange.write(written(pair(0))[:100], 0) is None
    assert credentials.keys.public_key == pair(0)


def test_reading_again_and_again_gives_the_same_key() -> None:
    exchange = CredentialExchange(station())
    assert {key_read(exchange) for _ in range(5)} == {pair(0)}


# Several phones.


def test_two_phones_write_with_the_key_that_each_has_read() -> None:
    credentials = station()
    first, second = CredentialExchange(credentials), CredentialExchange(credentials)
    assert key_read(first) == key_read(second) == pair(0)
    assert first.write(written(pair(0)), 0) == LINK
    assert second.write(written(pair(0), OTHER_LINK), 0) == OTHER_LINK


def test_who_reads_after_the_other_wrote_gets_the_new_key() -> None:
    credentials = station()
    first, second = CredentialExchange(credentials), CredentialExchange(credentials)
    assert first.write(written(key_read(first)), 0) == LINK
    assert key_read(second) == pair(1)
    assert second.write(written(pair(1), OTHER_LINK), 0) == OTHER_LINK


def test_a_phone_that_reads_twice_writes_with_what_it_read_last() -> None:
    credentials = station()
    exchange = CredentialExchange(credentials)
    assert key_read(exchange) == pair(0)
    credentials.renew()
    assert key_read(exchange) == pair(1)
    with pytest.raises(RemoteProtocolError):
        exchange.write(written(pair(0)), 0)
    assert exchange.write(written(pair(1)), 0) == LINK


def test_pieces_of_two_phones_do_not_mix() -> None:
    credentials = station()
    first, second = CredentialExchange(credentials), CredentialExchange(credentials)
    one, two = written(pair(0)), written(pair(0), OTHER_LINK)
    assert first.write(one[:150], 0) is None
    assert second.write(two[:60], 0) is None
    assert first.write(one[150:], 0) == LINK
    assert second.write(two[60:], 0) == OTHER_LINK


# Replays.


def test_a_replay_on_the_same_connection_is_refused() -> None:
    exchange = CredentialExchange(station())
    value = written(key_read(exchange))
    assert exchange.write(value, 0) == LINK
    with pytest.raises(RemoteProtocolError):
        exchange.write(value, 0)


def test_a_replay_on_a_later_connection_is_refused() -> None:
    credentials = station()
    value = written(pair(0))
    assert CredentialExchange(credentials).write(value, 0) == LINK
    later = CredentialExchange(credentials)
    with pytest.raises(RemoteProtocolError):
        later.write(value, 0)
    key_read(later)
    with pytest.raises(RemoteProtocolError):
        later.write(value, 0)
    assert credentials.keys.public_key == pair(1)


# Busy.


def test_writes_are_swallowed_while_busy() -> None:
    credentials = station()
    exchange = CredentialExchange(credentials)
    value = written(key_read(exchange))
    credentials.busy = True
    for part in (value, b"hello", b"", b"{}", value[:20]):
        assert exchange.write(part, 0) is None
    assert credentials.keys.public_key == pair(0)
    credentials.busy = False
    assert exchange.write(value, 0) == LINK, "nothing of it was kept"


def test_what_was_begun_before_is_not_completed_after_five_busy_seconds() -> None:
    credentials = station()
    exchange = CredentialExchange(credentials)
    value = written(key_read(exchange))
    assert exchange.write(value[:100], 0) is None
    credentials.busy = True
    assert exchange.write(value[100:], 10) is None
    credentials.busy = False
    with pytest.raises(RemoteProtocolError):
        exchange.write(value[100:], PATIENCE_MS + 1)
