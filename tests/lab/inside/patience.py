"""A pytest plugin for the guest: an emulated machine meets no deadline. Few examples do, for the host runs them all."""

import pytest
from hypothesis import settings

# Limits of processor time that are meant for a real machine; the host keeps them.
_TIMED = ("tests/unit/alliance/test_alliance_json.py::test_hostile_text_costs_linear_time",)

settings.register_profile("lab", deadline=None, max_examples=10)
settings.load_profile("lab")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is timed."""
    timed = [item for item in items if item.nodeid.startswith(_TIMED)]
    config.hook.pytest_deselected(items=timed)
    items[:] = [item for item in items if not item.nodeid.startswith(_TIMED)]
