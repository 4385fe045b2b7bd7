"""The little IP that a link needs before the kernel's takes over, sans-io: DHCP, ARP."""
