#!/bin/sh
# The first process of a guest of `npm run cells`, after its initial file system: makes the file systems and control groups of
# a Debian with systemd, runs the tests that /project/plan names, and powers off. The plan has a line for each account: its
# name, and files of tests. Results go to the host through the serial port of virtio, as lines of JSON (reporter.ts).
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin LANG=C.UTF-8 TMPDIR=/tmp CI=true
mount -t proc proc /proc
mount -t sysfs sys /sys
mountpoint -q /dev || mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /tmp
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
mount -t cgroup2 -o nsdelegate cgroup /sys/fs/cgroup
for module in overlay loop bfq; do modprobe "$module"; done
hostname guest
ip link set lo up
port=/dev/vport0p1
until [ -e $port ]; do sleep 0.1; done
# Only one may open it.
exec 3>$port

# The I/O cost model, which honours io.weight and is off by default (Documentation/admin-guide/cgroup-v2.rst): on a disk of its own.
for disk in /sys/block/vd*; do
  [ "$(cat "$disk/serial")" != spare ] || echo "$(cat "$disk/dev") enable=1" >/sys/fs/cgroup/io.cost.qos
done

# As systemd has it; the kernel's own is 4096.
ulimit -Hn 524288

# As systemd makes them: a service with Delegate= and DelegateSubgroup=, and the manager of an ordinary user, who gets no io.
cd /sys/fs/cgroup || exit 1
echo '+cpu +io +memory +pids' >cgroup.subtree_control
mkdir -p system.slice/quorate.service/main user.slice/user.service/app.service/main
echo '+cpu +io +memory +pids' >system.slice/cgroup.subtree_control
echo '+cpu +memory +pids' >user.slice/cgroup.subtree_control
echo '+cpu +memory +pids' >user.slice/user.service/cgroup.subtree_control
chown -R user:user user.slice/user.service

cd /project || exit 1
node=$(echo /project/node_modules/node-linux-*/bin/node)
ln -s "$node" /usr/local/bin/node
vitest="node --disable-warning=ExperimentalWarning node_modules/vitest/vitest.mjs run --configLoader native"
vitest="$vitest --config test/cells/vitest.config.ts"
while read -r account files; do
  case $account in
    root) group=system.slice/quorate.service/main as= home=/root ;;
    user) group=user.slice/user.service/app.service/main home=/home/user
      as='setpriv --reuid=user --regid=user --init-groups --' ;;
  esac
  # shellcheck disable=SC2086 # words, each
  sh -c 'echo 0 >"/sys/fs/cgroup/$1/cgroup.procs"; shift; exec "$@"' sh $group \
    env HOME=$home $as $vitest $files </dev/null
  echo "{\"account\":\"$account\",\"ended\":$?}" >&3
done <plan
sync
busybox poweroff -f
