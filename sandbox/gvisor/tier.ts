import { mountDisk, mountImage } from '../disk/mount.ts';
import { accountPrefix, type Mounted, requireTool } from '../host.ts';
import { certificatesFor, passage, systemPaths } from '../namespace/arguments.ts';
import { nativeProgram } from '../native/index.ts';
import { driverCommand, driverFds } from '../run/driver.ts';
import { type BuildProcess, firstFreeFd, selfFd, startInCgroups } from '../run/process.ts';
import type { ProcessBounds } from '../run/process-limits.ts';
import { etcFiles, profileOf, profilePath } from '../run/profile.ts';
import type { LaunchContext, TierBackend } from '../run/tier.ts';
import { hostArch } from '../seccomp/syscalls.ts';
import type { SandboxJob } from '../types.ts';
import { type GvisorGuards, guards as productGuards, storedAnnotations } from './guards.ts';
import type { OciConfig, OciMount } from './oci.ts';

/** Paths inside of the bwrap sandbox that runsc runs in. */
const at = { runsc: '/runsc', bundle: '/job', root: '/job/root', state: '/state', store: '/store' };

/**
 * Starts runsc, rootless and inside of bwrap: a build that escapes from gVisor has an unused account, no other processes, no
 * network, and a file system that holds runsc and the build's read-only root. runsc writes to that file system only, which is
 * in memory, or to the build's disk; both disappear with its last process. `program`: the native one. @throws SANDBOX_UNAVAILABLE
 */
async function launch(
  guards: GvisorGuards,
  program: string | undefined,
  job: SandboxJob,
  { directories, slot, bounds, makeDisk }: LaunchContext,
): Promise<BuildProcess> {
  const data: { fd: number; bytes: Uint8Array }[] = [];
  const give = (text: string): string => {
    const fd = firstFreeFd + data.length;
    data.push({ fd, bytes: Buffer.from(text) });
    return String(fd);
  };
  const uid = guards.account(slot);
  const { around: network, inside } =
    job.network === undefined ? guards.network() : ({ around: [], inside: 'host' } as const);
  const disk = makeDisk && mountDisk(await makeDisk({ file: undefined, top: uid ?? 0 }));
  const store = disk && at.store;
  const isNative = program !== undefined;
  const settings = { root: at.root, network: inside, store, bounds, native: isNative };
  const config = JSON.stringify(ociConfig(guards, job, settings));
  const image = job.image === 'host' ? undefined : await mountImage(job.image, uid, program);
  const around = [
    ...[...(image?.prefix ?? []), ...(disk?.prefix ?? [])],
    ...[...accountPrefix(uid, program), requireTool('bwrap'), ...guards.namespaces(), ...network],
    ...[...guards.privileges(), '--clearenv'],
    ...['--ro-bind', requireTool('runsc'), at.runsc, '--dir', at.bundle],
    ...(disk ? ['--bind', disk.folder, at.store] : []),
    ...rootPaths(job, image, give),
    ...['--perms', '0444', '--file', give(config), `${at.bundle}/config.json`],
    // runsc creates the root of its own processes in /tmp.
    ...['--dir', '/tmp', '--proc', '/proc', '--dev', '/dev', '--tmpfs', at.state],
    ...guards.files(),
    ...['--remount-ro', '/', '--'],
  ];
  const fds = Object.values(driverFds);
  const runsc = [
    ...[at.runsc, `--root=${at.state}`, '--rootless', '--ignore-cgroups', '--platform=systrap'],
    ...[`--network=${inside}`, '--overlay2=none', '--oci-seccomp'],
    ...['run', `--bundle=${at.bundle}`],
    ...(isNative ? ['--exec-fd', String(selfFd(job, data))] : []),
    ...[...fds.flatMap((fd) => ['--pass-fd', `${fd}:${fd}`]), 'job'],
  ];
  const command = [...around, ...runsc];
  const limits = guards.processLimits(bounds);
  return startInCgroups({ job, directories, slot, command, data, limits, native: program });
}

/** bwrap arguments: the build's read-only root. */
function rootPaths(job: SandboxJob, image: Mounted | undefined, give: (text: string) => string) {
  // An image has these files, empty: they are bind-mounted over.
  const how = image === undefined ? '--file' : '--ro-bind-data';
  const etc = etcFiles(profileOf(job)).flatMap(({ path, text }) => [
    ...['--perms', '0644', how, give(text), at.root + path],
  ]);
  if (image === undefined) {
    const own = ['', '/etc', '/proc', '/dev', '/build'].flatMap((path) => ['--dir', at.root + path]);
    const authorities = certificatesFor(job);
    return [
      ...[...own, '--symlink', 'build/tmp', `${at.root}/tmp`, ...systemPaths(at.root)],
      // OpenSSL opens other files below these folders too: it has to get ENOENT, not EACCES.
      ...authorities.flatMap((path) => [...passage(path, at.root), '--ro-bind', path, at.root + path]),
      ...etc,
    ];
  }
  return ['--ro-bind', image.folder, at.root, ...etc];
}

/** The tier `gvisor`: a kernel in user space that handles a build's system calls. It does not run as root. */
export function gvisorTier(guards: GvisorGuards = productGuards): TierBackend {
  return {
    tier: 'gvisor',
    hostImage: true,
    disk: 'loop',
    guards,
    waits: () => nativeProgram() !== undefined,
    launch: (job, launching) => launch(guards, nativeProgram(), job, launching),
  };
}

/** runsc adds a /sys and a /tmp unless the configuration has a mount there; a mount of an unknown type it ignores. */
const absent = (destination: string): OciMount => ({ destination, type: 'quorate-absent' });

/**
 * The OCI configuration of a job: the driver, on the root file system that runsc finds at `root`; what it writes in a file
 * below `store`. `native`: the first process is the native program, which runsc is given as an open file (`--exec-fd`).
 */
function ociConfig(
  guards: GvisorGuards,
  job: SandboxJob,
  settings: {
    root: string;
    network: 'none' | 'host';
    store?: string | undefined;
    bounds: ProcessBounds;
    native: boolean;
  },
): OciConfig {
  const { root, network, store, bounds, native } = settings;
  const pins = profileOf(job);
  const prefix = guards.stepPrefix(pins);
  const seccomp = guards.seccomp(hostArch);
  const disk = guards.disk(job.limits, pins, store);
  // 'host' is the network namespace of runsc itself, which belongs to the job already.
  const namespaces = ['pid', 'ipc', 'uts', 'mount', ...(network === 'host' ? [] : ['network'])];
  const stored = store === undefined ? undefined : disk.find(({ source }) => source === store);
  return {
    ociVersion: '1.0.0',
    process: {
      ...guards.driver(),
      args: native ? ['quorate-native', 'first'] : driverCommand(job, { step: prefix, files: prefix }),
      env: [`PATH=${profilePath}`],
      cwd: '/build',
      rlimits: guards.processes(job.limits, bounds),
    },
    root: { path: root, readonly: true },
    hostname: pins.hostName,
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs' },
      ...disk,
      absent('/sys'),
      absent('/tmp'),
    ],
    ...(stored && { annotations: storedAnnotations(stored) }),
    linux: {
      namespaces: namespaces.map((type) => ({ type })),
      ...(seccomp === undefined ? {} : { seccomp }),
    },
  };
}
