"""Introduces us to whoever receives, through BlueZ: `python3 -m tests.lab.inside.introduce`. No verb does it yet.

Prints `{"event": "introduced"}` with the receiver's name, address and readiness.
"""

import json

from board import aio
from stack.alliance.cipher import KeyPair
from stack.alliance.link_info import LinkInfo
from stack.ble.bluez import BluezCentral
from stack.station.finder import find
from stack.station.introduction import introduce_to

LINK = LinkInfo(ssid="DIRECT-ab", psk="radiolab123", port=4711, mac="02:00:00:00:00:00")
_LOOK_MS = 30_000


async def main() -> None:
    """Find, connect, read the key, write the link info, leave."""
    central = BluezCentral()
    device = await find(central, _LOOK_MS)
    info = await introduce_to(central, device.address, LINK, KeyPair.generate())
    print(json.dumps({"event": "introduced", "name": device.name, "address": str(device.address), "ready": info.ready}))


if __name__ == "__main__":
    aio.run(main())
