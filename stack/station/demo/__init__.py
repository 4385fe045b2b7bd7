"""The demo: a virtual phone and the album it shares."""
