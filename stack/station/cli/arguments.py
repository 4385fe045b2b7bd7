"""Argument types that several verbs share. Each raises `ArgumentTypeError` with a sentence."""

import argparse
import math


def address(text: str) -> tuple[str, int]:
    """Read HOST:PORT; an IPv6 host stands in brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, such as 192.168.49.1:43210")
    return host.strip("[]") or "127.0.0.1", int(port)


def seconds(text: str) -> float:
    """Read a time span of more than nothing and at most a day."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds up to 86400")
    return value
