#!/bin/busybox sh
# The guest's first process: from the modules in the initrd to the root file system, then on with boot.sh.
# The root is a read-only disk below a file system in memory, so nothing outlives the guest.
/bin/busybox mount -t devtmpfs dev /dev
exec >/dev/console 2>&1
/bin/busybox echo "lab: init"
for module in /modules/*; do
	/bin/busybox insmod "$module" || /bin/busybox echo "lab: no $module"
done
/bin/busybox mount -t ext4 -o ro,noatime /dev/vda /below
/bin/busybox mount -t tmpfs above /above
/bin/busybox mkdir /above/upper /above/work
/bin/busybox mount -t overlay -o lowerdir=/below,upperdir=/above/upper,workdir=/above/work overlay /root
/bin/busybox mount --move /dev /root/dev
/bin/busybox mkdir -p /root/host
/bin/busybox mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000 host /root/host
exec /bin/busybox switch_root /root /bin/sh /host/tests/lab/inside/boot.sh
