"""nl80211: what Wi-Fi chips can do and are told to do, in the kernel's own words."""
