"""wpa_supplicant, told what to do over its control interface: for machines whose radio it owns."""
