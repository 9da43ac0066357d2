import { sandboxLimits } from '../limits.ts';
import { proxyPort } from '../net/proxy-bridge.ts';
import type { CpioEntry } from './cpio.ts';

/**
 * Ports of the machine's serial device, by number (0 is a console's). Each is one stream between the guest's driver and
 * the descriptor of the same meaning on the host; `job` brings what the guest has to run.
 */
export const ports = { input: 1, log: 2, status: 3, outputs: 4, job: 5 } as const;

/** Name by which the guest finds the disk with the image. */
export const diskSerial = 'quorate-image';

/** First line on the status port: the guest is there and takes its job. No word of the driver's. */
export const bootedWord = 'booted';

/** Last line on it: all has been said on all ports. */
export const finishedWord = 'over';

/** Where the job's files are put in the guest. */
export const guestPaths = {
  job: '/job',
  /** Laid over the image. */
  over: '/job/over',
  /** Settings of the job's control group, a file each. */
  limits: '/job/limits',
  /** A script that becomes the driver. */
  start: '/job/start',
  /** What ends the log and the outputs. The build cannot know it. */
  mark: '/job/mark',
  /** There where the job has a way out. */
  network: '/job/network',
  /** The image with what is laid over it, read-only. */
  system: '/system',
} as const;

const applets = 'cat chroot cpio grep insmod ip mkdir mount nc nsenter poweroff sh sleep stty unshare'.split(
  ' ',
);
const folders =
  'bin cgroup dev image modules modules/always modules/network proc self sys tmp usr usr/bin'.split(' ');

const device = (port: keyof typeof ports): string => `/dev/vport0p${ports[port]}`;

/** bwrap changes the root, which the kernel refuses for the root it booted with: so that is left first. */
const initScript = `#!/bin/busybox sh
export PATH=/bin:/usr/bin
mount -o bind / /self && cd /self && mount -o move . / && exec chroot . sh /main
`;

/** The machine's only neighbour, which stands for the loopback that QEMU itself has (`-netdev user`). */
const network = { own: '10.0.2.15/24', neighbour: '10.0.2.2' } as const;

/** Runs for each connection to the guest's loopback: passes it on to the neighbour, whom the build itself cannot reach. */
const relayScript = `#!/bin/sh
exec nsenter -t 1 -n nc ${network.neighbour} ${proxyPort}
`;

/**
 * The guest's first process. Runs nothing of the image as root. What it prints are diagnostics. It does not end the machine
 * when the build has ended: what its ports hold would be lost. The host does, when it has all.
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
# A worker that is gone before anybody listens is waited for no longer than a boot may take; one that goes later ends the
# machine, for then this port ends.
(sleep ${sandboxLimits.guestBootSecondsMax.tcg} && poweroff -f) &
echo ${bootedWord} >&3
kill $!
(cat <&3 >/dev/null; poweroff -f) &
mkdir ${guestPaths.job} ${guestPaths.system}
(cd ${guestPaths.job} && cpio -i <${device('job')} 2>/dev/null) || fail 'got no job'
disk=
for block in /sys/block/vd*; do
  if [ "$(cat $block/serial)" = ${diskSerial} ]; then disk=/dev/\${block##*/}; fi
done
mount -t erofs -o ro "$disk" /image || fail 'cannot read the image'
mount -t overlay -o ro,lowerdir=${guestPaths.over}:/image overlay ${guestPaths.system} || fail 'cannot lay over the image'
# A build may ask for more memory than there is, as elsewhere; what it uses is what counts.
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

/** What is the same in every guest: the two scripts, folders and busybox's names. */
export const guestFiles: readonly CpioEntry[] = [
  ...folders.map((name) => ({ name })),
  ...applets.map((name) => ({ name: `bin/${name}`, link: 'busybox' })),
  { name: 'init', content: initScript, executable: true },
  { name: 'main', content: mainScript },
  { name: 'relay', content: relayScript, executable: true },
];
