"""The tree is the diagram: imports go downward, siblings meet only where DESIGN draws it, and start-up stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# What each layer may import, beside itself, the standard library and its packages. Order is bottom to top.
ALLOWED: dict[str, set[str]] = {
    "board": set(),
    "drivers": {"board"},
    "stack.alliance": {"board"},
    "stack.transfer": {"board", "stack.alliance"},
    "stack.storage": {"board", "stack.transfer.entry_store"},
    "stack.ble": {"board", "drivers"},
    "stack.wlan": {"board"},
    "stack.ip": {"board"},
    "stack.link": {"board", "drivers", "stack.wlan", "stack.ip"},
    "stack.power": {"board"},
    "stack.station": {
        "board",
        "drivers",
        "stack.link",
        "stack.alliance",
        "stack.ble",
        "stack.transfer",
        "stack.storage",
        "stack.power",
    },
}
SANS_IO = [
    "board/button.py",
    "board/debounce.py",
    "board/led.py",
    "drivers/hci/acl.py",
    "drivers/netlink/attributes.py",
    "drivers/netlink/exchange.py",
    "drivers/netlink/nftables.py",
    "drivers/nl80211/codes.py",
    "drivers/nl80211/connection.py",
    "drivers/nl80211/constants.py",
    "drivers/nl80211/declarations.py",
    "drivers/nl80211/describe.py",
    "drivers/nl80211/errors.py",
    "drivers/nl80211/frames.py",
    "drivers/nl80211/road.py",
    "drivers/hci/address.py",
    "drivers/hci/codes.py",
    "drivers/hci/commands.py",
    "drivers/hci/events.py",
    "drivers/hci/h4.py",
    "drivers/hci/packet.py",
    "drivers/hci/wire.py",
    "drivers/packet/filters.py",
    "drivers/wpa_supplicant/errors.py",
    "drivers/wpa_supplicant/requests.py",
    "drivers/wpa_supplicant/wire.py",
    "stack/alliance",
    "stack/ble/advertising.py",
    "stack/ble/att.py",
    "stack/ble/att_server.py",
    "stack/ble/gatt.py",
    "stack/ble/gatt_client.py",
    "stack/ble/l2cap.py",
    "stack/ble/scanning.py",
    "stack/ble/uuids.py",
    "stack/ip",
    *(
        f"stack/storage/library/{name}.py"
        for name in (
            *("boxes", "collisions", "dates", "errors", "exif_block", "grouping", "heif_item", "kinds", "library"),
            *("metadata", "movie", "name_dates", "rules", "template"),
        )
    ),
    "stack/storage/forward/manifest.py",
    "stack/storage/forward/messages.py",
    "stack/storage/forward/policy.py",
    "stack/link/joinable.py",
    "stack/link/machine.py",
    "stack/link/plan.py",
    "stack/link/supplicant_outcome.py",
    "stack/power",
    "stack/wlan",
    "stack/transfer/http.py",
    "stack/transfer/websocket.py",
    "stack/transfer/zip_read.py",
    "stack/transfer/zip_write.py",
    "stack/transfer/zip_format.py",
    "stack/transfer/unpack.py",
]
IMPURE = {"socket", "ssl", "select", "selectors", "threading", "time", "os", "random", "subprocess", "asyncio"}
OUR_SHELLS = {"board.aio", "board.clock"}
HEAVY = {"cryptography", "h11", "wsproto", "tqdm", "PIL", "ssl", "sqlite3", "zlib_ng", "asyncio", "hashlib"} | {
    "bleak",
    "bumble",
    "exifread",
    "gpiod",
    "serial",
    "smbprotocol",
}


def modules() -> list[tuple[str, Path]]:
    return [
        (".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path)
        for top in ("board", "drivers", "stack")
        for path in sorted((ROOT / top).rglob("*.py"))
    ]


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def within(name: str, layer: str) -> bool:
    return name == layer or name.startswith(layer + ".")


def is_ours(name: str) -> bool:
    return name.split(".")[0] in ("board", "drivers") or (len(name.split(".")) > 1 and name.startswith("stack."))


@pytest.mark.parametrize(("module", "path"), modules())
def test_imports_go_downward(module: str, path: Path) -> None:
    layer = max((layer for layer in ALLOWED if within(module, layer)), key=len, default=None)
    if layer is None:
        assert module == "stack"
        return
    for name in filter(is_ours, imports(path)):
        assert any(within(name, allowed) for allowed in {layer, *ALLOWED[layer]}), f"{module} imports {name}"
        if within(name, "stack.station.cli"):
            assert within(module, "stack.station.cli"), f"{module} imports {name}"


@pytest.mark.parametrize("place", SANS_IO)
def test_protocol_cores_are_pure(place: str) -> None:
    target = ROOT / place
    for path in sorted(target.rglob("*.py")) if target.is_dir() else [target]:
        assert not {name.split(".")[0] for name in imports(path)} & IMPURE, path
        assert not imports(path) & OUR_SHELLS, path


def test_only_the_shells_touch_sockets() -> None:
    shells = {path.name for path in (ROOT / "stack/transfer").glob("*.py") if {"socket", "ssl"} & imports(path)}
    assert shells == {"tls.py", "loop.py", "serve.py"}


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from stack.station.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "receive" in done.stdout
    assert not set(done.stderr.split()) & HEAVY
