"""The Host Controller Interface, raw: packets, flow control and the ways to a Bluetooth controller."""
