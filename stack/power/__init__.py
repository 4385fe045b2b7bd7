"""The power-aware scheduler: work is declared with its constraints, and runs when it costs least. No I/O, no clock."""
