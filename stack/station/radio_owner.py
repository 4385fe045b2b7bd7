"""Who has the radio for the link: we, by nl80211, or wpa_supplicant, which is asked for an interface."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from stack.link.backend import Backend
from stack.link.settings import WifiSettings


def open_backend(settings: WifiSettings, supplicant: Path | None) -> AbstractAsyncContextManager[Backend]:
    """Open the way to phones' groups; `supplicant` is the global control socket. Entering it raises `RadioError`."""
    if supplicant:
        from stack.link import supplicant_backend

        return supplicant_backend.open_backend(supplicant, settings)
    from stack.link import nl80211_backend

    return nl80211_backend.open_backend(settings)
