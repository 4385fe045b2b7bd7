# After init.sh: names, network and the spool's disk, then the agent as process 1.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs tmp /tmp
mkdir -p /dev/pts /dev/shm /run/netns /run/lab /spool /var/log /var/lib/misc
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup /sys/fs/cgroup
[ -b /dev/vdb ] && mount -t ext4 -o noatime /dev/vdb /spool
echo lab >/proc/sys/kernel/hostname
echo 127.0.0.1 localhost lab >/etc/hosts
ip link set lo up
ip link set eth0 up
ip address add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2

# The checkout is read-only: what Python and the tests keep goes to memory.
export PYTHONPYCACHEPREFIX=/var/cache/python HYPOTHESIS_STORAGE_DIRECTORY=/tmp/hypothesis FERRY_LAB=1
cd /host
exec python3 -m tests.lab.inside.agent
