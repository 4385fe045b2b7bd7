"""Arguments that several verbs share. Types raise `ArgumentTypeError` with a sentence."""

import argparse
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stack.link.settings import WifiSettings
    from stack.storage.forward.policy import Hours
    from stack.storage.library.rules import Rule
    from stack.storage.library.template import Template


def address(text: str) -> tuple[str, int]:
    """Read HOST:PORT; an IPv6 host stands in brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, such as 192.168.49.1:43210")
    return host.strip("[]") or "127.0.0.1", int(port)


def add_radio(parser: argparse.ArgumentParser) -> None:
    """Declare the options of every verb that uses the Bluetooth radio."""
    parser.add_argument(
        "--hci",
        metavar="SPEC",
        type=controller,
        help="the Bluetooth controller: user:0 (this machine's hci0, the default), uart:/dev/ttyAMA0,3000000, "
        "tcp:127.0.0.1:9001, bluez (through bluetoothd, scan only), or virtual: played by this machine, with a "
        "virtual phone in range",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--capture",
        metavar="FILE",
        type=Path,
        help="write all HCI packets to FILE, for Wireshark; with the older ones in FILE.1 at most 16 MB",
    )


def add_wifi(parser: argparse.ArgumentParser) -> None:
    """Declare the options of every verb that joins a phone's group; `wifi_settings` reads them."""
    parser.add_argument(
        "--country", metavar="CC", type=country, help="where the board is, such as DE: opens the channels of 5 GHz"
    )
    owner = parser.add_mutually_exclusive_group()
    owner.add_argument(
        "--borrow",
        action="store_true",
        help="where the radio cannot do both, take it from the house network, which is interrupted meanwhile",
    )
    owner.add_argument(
        "--supplicant",
        metavar="PATH",
        type=Path,
        help="leave the radio to wpa_supplicant, and join through its global control socket; "
        "see `ferry join --help` for how it is started",
    )


def wifi_settings(options: argparse.Namespace) -> "WifiSettings":
    """Return what `add_wifi` has declared."""
    from stack.link.settings import WifiSettings

    return WifiSettings(options.country, options.borrow)


def controller(text: str) -> str:
    """Check the name of a Bluetooth controller."""
    from drivers.hci.transports.spec import TransportSpecError, parse_spec

    if text not in ("virtual", "bluez"):
        try:
            parse_spec(text)
        except TransportSpecError as error:
            raise argparse.ArgumentTypeError(f"{error.explain()} Or virtual, or bluez.") from None
    return text


def station_name(text: str) -> str:
    """Read a name that phones can list."""
    from board.errors import LocalProtocolError
    from stack.alliance.advertisement import for_station

    try:
        for_station(text, b"\1\1")
    except LocalProtocolError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def brand(text: str) -> int:
    """Read a brand id."""
    return _number(text, 0, 255, "a brand id of 0 to 255")


def interval_ms(text: str) -> int:
    """Read an advertising interval; the bounds are the specification's (volume 4, part E, 7.8.5)."""
    return _number(text, 20, 10_240, "an interval of 20 to 10240 ms")


def power_dbm(text: str) -> int:
    """Read a transmit power (volume 4, part E, 7.8.53)."""
    return _number(text, -127, 20, "a power of -127 to 20 dBm")


def port(text: str) -> int:
    """Read a TCP port."""
    return _number(text, 1, 65_535, "a port of 1 to 65535")


def frequency_mhz(text: str) -> int:
    """Read a channel's frequency."""
    return _number(text, 2_412, 7_125, "a frequency in MHz, such as 2437 or 5180")


def country(text: str) -> str:
    """Read a country of ISO 3166."""
    if not re.fullmatch(r"[A-Za-z]{2}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a country of two letters, such as DE")
    return text.upper()


def ssid(text: str) -> str:
    """Read the name of a network."""
    if not 1 <= len(text.encode()) <= 32 or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is not a network's name of 1 to 32 bytes")
    return text


def passphrase(text: str) -> str:
    """Read a passphrase of WPA2, or the 64 hex digits that are made of one."""
    if not re.fullmatch(r"[ -~]{8,63}|[0-9A-Fa-f]{64}", text, re.ASCII):
        raise argparse.ArgumentTypeError("a passphrase has 8 to 63 printable ASCII characters, or is 64 hex digits")
    return text


def seconds(text: str) -> float:
    """Read a time span of more than nothing and at most a day."""
    return _real(text, 0.001, 86_400, "a number of seconds up to 86400")


def sink_url(text: str) -> str:
    """Read the URL of a sink without a password, or a folder."""
    from stack.storage.sinks.errors import SinkError
    from stack.storage.sinks.url import has_password, parse

    text = text if "://" in text else str(Path(text).absolute())
    try:
        parse(text)
    except SinkError as error:
        raise argparse.ArgumentTypeError(error.explain()) from None
    if has_password(text):
        raise argparse.ArgumentTypeError(
            "everybody on this machine sees a password on a command line. Put it into a file that only its user can "
            "read, and add ?secret_file=FILE to the URL instead, or ?credential=NAME for one from systemd"
        )
    return text


def path_template(text: str) -> "Template":
    """Read a path template of the library."""
    from stack.storage.library.errors import TemplateError
    from stack.storage.library.template import parse_template

    try:
        return parse_template(text)
    except TemplateError as error:
        raise argparse.ArgumentTypeError(error.explain()) from None


def library_rule(text: str) -> "Rule":
    """Read a rule of the library: `type=video,path=videos/{name}`."""
    from stack.storage.library.errors import RuleError, TemplateError
    from stack.storage.library.rules import parse_rule

    try:
        return parse_rule(dict(part.partition("=")[::2] for part in text.split(",")))
    except (RuleError, TemplateError) as error:
        raise argparse.ArgumentTypeError(error.explain()) from None


def days(text: str) -> float:
    """Read a number of days."""
    return _real(text, 0, 36_500, "a number of days")


def megabytes_per_s(text: str) -> float:
    """Read a rate."""
    return _real(text, 0.01, 10_000, "a rate in MB/s")


def hours(text: str) -> "Hours":
    """Read a time of day: HH:MM-HH:MM."""
    from datetime import time

    from stack.storage.forward.policy import Hours

    try:
        start, end = (time.fromisoformat(each) for each in text.split("-"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time of day such as 22:00-06:00") from None
    return Hours(start, end)


def _real(text: str, least: float, most: float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value


def _number(text: str, least: int, most: int, what: str) -> int:
    value = int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else least - 1
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value
