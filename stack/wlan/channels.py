"""Channel numbers and frequencies of the 2.4 and 5 GHz bands (IEEE 802.11-2020, 15.4.4.3 and annex E)."""

_CHANNEL_14_MHZ = 2484
_STARTS_MHZ = (
    (range(1, 14), 2407),
    (range(14, 15), _CHANNEL_14_MHZ - 5 * 14),
    (range(32, 178), 5000),
)


def frequency_of(channel: int) -> int | None:
    """Return the centre frequency of a channel in MHz, or `None` for a number of neither band."""
    return next((start + 5 * channel for channels, start in _STARTS_MHZ if channel in channels), None)


def channel_of(frequency_mhz: int) -> int | None:
    """Return the channel with this centre frequency, or `None` if there is none in either band."""
    for channels, start in _STARTS_MHZ:
        channel, off_centre = divmod(frequency_mhz - start, 5)
        if not off_centre and channel in channels:
            return channel
    return None
