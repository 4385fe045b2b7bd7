"""The energy account: an exact integral."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.errors import LocalProtocolError
from stack.power.account import Account


def test_it_integrates_each_part() -> None:
    account = Account(1000)
    account.draw({"board": 400, "wifi": 100}, 1000)
    account.draw({"board": 400}, 3000)
    assert account.now_mw == 400
    assert account.spent_uj(4000) == {"board": 400 * 3000, "wifi": 100 * 2000}
    assert account.mean_mw(4000) == pytest.approx(400 + 200 / 3)


def test_time_left_is_by_the_mean() -> None:
    account = Account(0)
    account.draw({"board": 500}, 0)
    assert account.left_ms(1000, 0) == 2 * 3_600_000
    account.draw({"board": 1500}, 3_600_000)
    assert account.left_ms(1000, 2 * 3_600_000) == 3_600_000


def test_nothing_drawn_lasts_for_ever() -> None:
    assert Account(0).left_ms(1000, 5000) is None


def test_time_does_not_go_back() -> None:
    account = Account(10)
    with pytest.raises(LocalProtocolError):
        account.draw({}, 9)


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 5000)), max_size=20))
def test_reading_in_between_changes_nothing(pieces: list[tuple[int, int]]) -> None:
    read, unread, now_ms = Account(0), Account(0), 0
    for length_ms, draw_mw in pieces:
        for account in (read, unread):
            account.draw({"board": draw_mw}, now_ms)
        read.spent_uj(now_ms + length_ms // 2)
        now_ms += length_ms
    assert read.spent_uj(now_ms) == unread.spent_uj(now_ms)
    assert sum(read.spent_uj(now_ms).values()) == sum(length_ms * draw_mw for length_ms, draw_mw in pieces)
