#!/bin/sh
# All rings of tests, from the inner to the outer. As root it installs what the rings need.
set -eu
bin=.venv/bin
PATH=$PATH:/usr/sbin:/sbin
mkdir -p build

# command:package of Debian
needs="javac:default-jdk-headless bsdtar:libarchive-tools zip:zip strace:strace curl:curl tshark:tshark exiftool:libimage-exiftool-perl
	smbd:samba smbclient:smbclient sshd:openssh-server ssh:openssh-client openssl:openssl mkfs.vfat:dosfstools"
missing= packages=
for need in $needs; do
	command -v "${need%%:*}" >/dev/null || { missing="$missing ${need%%:*}"; packages="$packages ${need#*:}"; }
done
if [ -n "$missing" ]; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		echo "ferry: installing$packages"
		export DEBIAN_FRONTEND=noninteractive
		# shellcheck disable=SC2086
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $packages; } >build/apt.log 2>&1 ||
			echo "ferry: apt-get could not install$packages: $(tail -n1 build/apt.log) (all of it: build/apt.log)" >&2
	else
		echo "ferry: not root, so these tests are left out for want of$missing (apt-get install$packages)"
	fi
fi

exec $bin/python -m pytest -q tests --ignore=tests/lab
