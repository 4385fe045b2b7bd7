"""The alliance protocol, sans-io: bytes and time in, bytes and effects out, both roles."""
