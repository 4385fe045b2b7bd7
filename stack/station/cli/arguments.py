"""Argument types that several verbs share. Each raises `ArgumentTypeError` with a sentence."""

import argparse


def address(text: str) -> tuple[str, int]:
    """Read HOST:PORT; an IPv6 host stands in brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, such as 192.168.49.1:43210")
    return host.strip("[]") or "127.0.0.1", int(port)
