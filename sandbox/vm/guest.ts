import { sandboxLimits } from '../limits.ts';
import { proxyPort } from '../net/proxy-bridge.ts';
import type { CpioEntry } from './cpio.ts';

/**
 * Numbers of the virtio-serial ports (0 is reserved for a console). Each carries the stream of the same name between the
 * driver in the guest and the host; `job` carries the archive of `jobFiles`.
 */
export const ports = { input: 1, log: 2, status: 3, outputs: 4, job: 5 } as const;

/** Serial numbers by which the guest finds the disk with the image, and that of the build, where it has one. */
export const diskSerials = { image: 'quorate-image', build: 'quorate-build' } as const;

/** First line on the status port: the guest has booted and accepts its job. Not a message of the driver. */
export const bootedWord = 'booted';

/** Last line on the status port: all ports are complete. */
export const finishedWord = 'over';

/** Paths of the job's files in the guest. */
export const guestPaths = {
  job: '/job',
  /** Upper layer of the overlay over the image. */
  over: '/job/over',
  /** Settings of the job's cgroup, one file each. */
  limits: '/job/limits',
  /** Script that executes the driver. */
  start: '/job/start',
  /** End marker of log and outputs, which the build cannot know. */
  mark: '/job/mark',
  /** Where the build's disk is mounted. */
  disk: '/disk',
  /** Exists if the job has a network. */
  network: '/job/network',
  /** The overlay of both, read-only. */
  system: '/system',
} as const;

const applets =
  'cat chroot cpio grep insmod ip mkdir mount nc nsenter poweroff rmdir sh sleep stty unshare'.split(' ');
const folders =
  'bin cgroup dev image modules modules/always modules/network proc self sys tmp usr usr/bin'.split(' ');

const device = (port: keyof typeof ports): string => `/dev/vport0p${ports[port]}`;

/** bwrap uses pivot_root(2), which fails on the initial root file system, so it is moved first. */
const initScript = `#!/bin/busybox sh
export PATH=/bin:/usr/bin
mount -o bind / /self && cd /self && mount -o move . / && exec chroot . sh /main
`;

/** Addresses of `-netdev user`: the guest's own, and the one that stands for QEMU's loopback. */
const network = { own: '10.0.2.15/24', neighbour: '10.0.2.2' } as const;

/** Forwards one connection from the build's loopback to the proxy; the build itself cannot reach that address. */
const relayScript = `#!/bin/sh
exec nsenter -t 1 -n nc ${network.neighbour} ${proxyPort}
`;

/**
 * The guest's first process. It executes nothing of the image as root. Its output are error messages. It does not power off
 * after the build, because unread data of the ports would be lost: the host ends the virtual machine when it has read all.
 */
const mainScript = `
mount -t devtmpfs dev /dev
exec </dev/null >/dev/ttyS0 2>&1
stty -opost </dev/ttyS0
fail() { echo "the guest $1"; poweroff -f; }
load() { for module in /modules/$1/*; do insmod $module || fail "does not take $module"; done; }
mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t cgroup2 cgroup /cgroup || fail 'has no system folders'
load always
for port in ${Object.values(ports).join(' ')}; do
  until [ -e /dev/vport0p$port ]; do sleep 0.01; done
done
exec 3<>${device('status')} 6<>${device('log')} 7<>${device('outputs')}
# If the worker has ended before it opened the port, power off after the time limit of a boot. If it ends later, the port
# closes and the guest powers off.
(sleep ${sandboxLimits.guestBootSecondsMax.tcg} && poweroff -f) &
echo ${bootedWord} >&3
kill $!
(cat <&3 >/dev/null; poweroff -f) &
mkdir ${guestPaths.job} ${guestPaths.system}
(cd ${guestPaths.job} && cpio -i <${device('job')} 2>/dev/null) || fail 'got no job'
image= disk=
for block in /sys/block/vd*; do
  case "$(cat $block/serial)" in
    ${diskSerials.image}) image=/dev/\${block##*/} ;;
    ${diskSerials.build}) disk=/dev/\${block##*/} ;;
  esac
done
mount -t erofs -o ro "$image" /image || fail 'cannot read the image'
if [ -n "$disk" ]; then
  mkdir ${guestPaths.disk} && mount -t ext4 -o nosuid,nodev,noatime,noinit_itable "$disk" ${guestPaths.disk} &&
    rmdir ${guestPaths.disk}/lost+found || fail 'cannot use the disk of the build'
fi
mount -t overlay -o ro,lowerdir=${guestPaths.over}:/image overlay ${guestPaths.system} || fail 'cannot lay over the image'
# Memory is limited by use, not by reservation, as on other hosts.
echo 1 > /proc/sys/vm/overcommit_memory
echo '+memory +pids +cpu' > /cgroup/cgroup.subtree_control && mkdir /cgroup/job || fail 'has no control groups'
for limit in ${guestPaths.limits}/*; do
  cat $limit > /cgroup/job/\${limit##*/} || fail "cannot hold the limit \${limit##*/}"
done
start='echo 0 > /cgroup/job/cgroup.procs && exec sh ${guestPaths.start}'
if [ -e ${guestPaths.network} ]; then
  load network
  ip link set eth0 up && ip addr add ${network.own} dev eth0 || fail 'has no network'
  listen='ip link set lo up && { nc -ll -p ${proxyPort} -e /relay </dev/null >/dev/null 2>&1 3>&- 4>&- & }'
  unshare -n sh -c "$listen; $start" <${device('input')} >&6 4>&7 6>&- 7>&-
else
  sh -c "$start" <${device('input')} >&6 4>&7 6>&- 7>&-
fi
grep -q '^oom_kill 0$' /cgroup/job/memory.events || echo memory >&3
cat ${guestPaths.mark} >&6
cat ${guestPaths.mark} >&7
echo ${finishedWord} >&3
wait
`;

/** Files that are the same in every guest: scripts, folders and links to busybox. */
export const guestFiles: readonly CpioEntry[] = [
  ...folders.map((name) => ({ name })),
  ...applets.map((name) => ({ name: `bin/${name}`, link: 'busybox' })),
  { name: 'init', content: initScript, executable: true },
  { name: 'main', content: mainScript },
  { name: 'relay', content: relayScript, executable: true },
];
