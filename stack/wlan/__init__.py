"""802.11 as a station sees it, sans-io: elements, EAPOL frames, keys, the 4-way handshake."""
