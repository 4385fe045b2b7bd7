"""The radios, raw. Imports only `board`."""
