"""Netlink: how the kernel's network is asked and told. Attributes are declared once, as data."""
