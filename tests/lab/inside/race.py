"""Joins the phone's group by turns, with our link manager and with wpa_supplicant and udhcpc: `... race RUNS SEED`.

The clock runs from "link info received" to "TCP connected to the phone's port". Both know SSID and passphrase and not
the channel, which is drawn for each run; both programs run already. Ours then joins again, with the channel told,
while the air is recorded. Prints a JSON line a run, times in milliseconds.
"""

import json
import random
import socket
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from board import aio
from stack.link.backend import Offer
from stack.link.machine import State
from stack.link.manager import LinkManager
from stack.link.nl80211_backend import Nl80211Backend, open_backend
from stack.link.plan import Memory
from tests.lab.inside.air import address_of, recorded
from tests.lab.inside.station import lease_script
from tests.lab.inside.supplicant import Supplicant
from tests.lab.inside.world import PHONE_ADDRESS, PHONE_NAMESPACE, RUN, USUAL_ARP_PING_MS, Group, Phone, run, wait_until

FREQUENCIES_MHZ = (2412, 2437, 2462, 5180, 5220, 5745)
PORT = 4711
_SERVE = f"""
import socket
with socket.create_server(("{PHONE_ADDRESS}", {PORT})) as server:
    while True:
        server.accept()[0].close()
"""
_THEIRS = "theirs0"
_LIMIT_S = 60.0


async def ours(backend: Nl80211Backend, group: Group, *, knows_channel: bool) -> dict[str, Any]:
    """Join with our manager; return when each state began, when TCP was connected, and for a recording who and when."""
    began_utc_s, began = time.time(), time.monotonic()
    times: dict[str, float] = {}

    def told(state: State) -> None:
        times[state.name.lower()] = _ms_since(began)

    offer = Offer(group.ssid, group.psk, PORT, group.frequency_mhz if knows_channel else None)
    async with LinkManager(backend, Memory(), told).joined(offer) as link:
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.interface.encode())
            connection.connect((PHONE_ADDRESS, PORT))
            times["connected"] = _ms_since(began)
            return {**times, "began_utc_s": began_utc_s, "station": address_of(link.interface)}


def theirs(group: Group) -> float:
    """Join with wpa_supplicant, which runs already, and udhcpc; return when TCP was connected."""
    with Supplicant(RUN / _THEIRS) as supplicant:
        began = time.monotonic()
        network = supplicant.request(f"IFNAME={_THEIRS} ADD_NETWORK")
        for name, value in {"ssid": f'"{group.ssid}"', "psk": f'"{group.psk}"', "scan_ssid": "1"}.items():
            supplicant.request(f"IFNAME={_THEIRS} SET_NETWORK {network} {name} {value}")
        supplicant.request(f"IFNAME={_THEIRS} SELECT_NETWORK {network}")
        supplicant.wait_for("CTRL-EVENT-CONNECTED", _LIMIT_S)
        run("busybox", "udhcpc", "-n", "-q", "-f", "-t", "10", "-T", "1", "-i", _THEIRS, "-s", lease_script())
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _THEIRS.encode())
            connection.connect((PHONE_ADDRESS, PORT))
        elapsed_ms = _ms_since(began)
        supplicant.request(f"IFNAME={_THEIRS} REMOVE_NETWORK all")
    run("ip", "address", "flush", "dev", _THEIRS)
    return elapsed_ms


def _ms_since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)


def _new_psk(dice: random.Random) -> str:
    """Draw a passphrase, as a phone does for each group: nobody has its key yet."""
    return f"{dice.randrange(16**8):08x}"


async def race(runs: int, seed: int) -> None:
    """Do all runs."""
    dice, phone = random.Random(seed), Phone(USUAL_ARP_PING_MS)
    async with open_backend() as backend:
        for _ in range(runs):
            group = Group(psk=_new_psk(dice), frequency_mhz=dice.choice(FREQUENCIES_MHZ))
            told = replace(group, psk=_new_psk(dice))
            phone.host_group(group)
            with subprocess.Popen(["ip", "netns", "exec", PHONE_NAMESPACE, sys.executable, "-c", _SERVE]) as server:
                result: dict[str, Any] = {
                    "frequency_mhz": group.frequency_mhz,
                    "ours": await ours(backend, group, knows_channel=False),
                    "theirs_ms": theirs(group),
                }
                phone.host_group(told)
                with recorded() as recording:
                    result["ours_knowing"] = {"psk": told.psk, **await ours(backend, told, knows_channel=True)}
                result["ours_knowing"] |= asdict(recording)
                server.kill()
            print(json.dumps(result), flush=True)


def main() -> None:
    """Start their programs, race, stop them."""
    runs, seed = int(sys.argv[1]), int(sys.argv[2])
    config = RUN / "theirs.conf"
    config.write_text("")
    run("iw", "phy", "appliance", "interface", "add", _THEIRS, "type", "managed", "addr", "02:00:00:00:01:70")
    command: list[str | Path] = [
        "wpa_supplicant",
        "-i",
        _THEIRS,
        "-c",
        config,
        "-g",
        RUN / _THEIRS,
        "-f",
        RUN / "theirs.log",
    ]
    with subprocess.Popen(command) as supplicant:
        try:
            wait_until((RUN / _THEIRS).exists, "wpa_supplicant's control socket")
            aio.run(race(runs, seed))
        finally:
            supplicant.terminate()
    run("iw", "dev", _THEIRS, "del")


if __name__ == "__main__":
    main()
