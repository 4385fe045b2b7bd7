"""The composition: wires the layers below into commands and, later, the daemon."""
