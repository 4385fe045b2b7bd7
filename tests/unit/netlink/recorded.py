"""What a Linux 6.18 kernel told, and what nft 1.0.6 told it, byte by byte.

The bodies of dumps of a namespace with the ends of a veth pair, one of them addressed as a link to a phone is; whole
messages of acknowledgements, a dump and a family; the batch of nft for the rules of one flow.
"""

import json
from pathlib import Path
from typing import Any

_RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("recorded.json").read_text())


def recorded(name: str) -> bytes:
    """Return one recording."""
    return bytes.fromhex(_RECORDED[name])


def recorded_all(name: str) -> list[bytes]:
    """Return the bodies of one dump."""
    return [bytes.fromhex(each) for each in _RECORDED[name]]
