"""Frames on one interface, past the kernel's IP: what EAPOL, DHCP and ARP need."""
