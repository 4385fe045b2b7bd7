"""Sinks: the places that the owner's files end up in. One protocol, one module a kind, chosen by URL."""
