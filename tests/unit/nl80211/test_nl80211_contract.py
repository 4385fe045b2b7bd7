"""The contract over the fake chips."""

import pytest

from tests.unit.nl80211.chip import Kind
from tests.unit.nl80211.contract import CONTRACTS
from tests.unit.nl80211.fake_world import with_chip


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name.lower())
@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_contract(contract: object, kind: Kind) -> None:
    assert callable(contract)
    with_chip(kind, contract)
