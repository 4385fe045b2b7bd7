"""Bluetooth LE above HCI: L2CAP fixed channels, ATT, GATT, advertising, scanning, connections."""
