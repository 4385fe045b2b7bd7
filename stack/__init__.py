"""The layers, from protocol machines to the station. Imports `board` and `drivers`."""
