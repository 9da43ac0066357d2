import { findTool } from '../host.ts';
import { certificates, passage, systemPaths } from '../namespace/arguments.ts';
import { profileEtc } from '../run/etc.ts';
import { buildProcessLimits, prlimit, processBounds } from '../run/process-limits.ts';
import { type TunnelRunner, toolProxyEnvironment, tunnelPaths, withLoopback } from './tunnel.ts';

/** The first descriptor for files that bwrap reads, by tools and by the native program, which closes all from there on. */
const FIRST_FD = 10;
const FIRST_NATIVE_FD = 3;

/**
 * Closes inherited descriptors, opens the files that bwrap reads by descriptor, joins the cgroups (writing 0 moves the writer
 * itself, cgroups(7)) and executes the command. Needs bash: dash cannot name descriptor 10.
 */
const enterScript = `
set -eu
for path in /proc/self/fd/*; do
  fd=\${path##*/}
  if [ "$fd" -ge 3 ]; then eval "exec $fd>&-"; fi
done
fd=$1 files=$2 groups=$3; shift 3
while [ "$files" -gt 0 ]; do eval "exec $fd<\\"\\$1\\""; shift; fd=$((fd + 1)); files=$((files - 1)); done
while [ "$groups" -gt 0 ]; do echo 0 > "$1/cgroup.procs"; shift; groups=$((groups - 1)); done
exec "$@"
`;

/** Folders and account of one tool sandbox. */
export interface ToolContext {
  /** The only writable folder, at the same path inside. */
  readonly dir: string;
  /** Folder of the proxy's socket. */
  readonly net: string;
  /** Folder of the files named in `toolFiles`. */
  readonly files: string;
  /** Directories of the cgroups. */
  readonly groups: readonly string[];
  /** The uid on the host that the tool runs under; undefined for the caller's own. */
  readonly uid: number | undefined;
  /** Path of the native program, which enters the sandbox; absent: tools of the host take its place. */
  readonly native: string | undefined;
  readonly runner: TunnelRunner;
}

/** Names in `ToolContext.files`. */
export const toolFiles = {
  filter: 'filter',
  tunnel: 'tunnel',
  etc: (path: string) => path.replace('/etc/', 'etc-'),
} as const;

/**
 * The guards of a tool sandbox. Production always uses `toolGuards`; each attack test weakens one of them to show that the
 * attack then succeeds. No option can change them.
 */
export interface ToolGuards {
  readonly network: () => string[];
  readonly processes: () => string[];
  /** bwrap arguments: further host paths, read-only. */
  readonly files: () => string[];
}

export const toolGuards: ToolGuards = {
  network: () => ['--unshare-net'],
  processes: () => ['--unshare-pid'],
  files: () => [],
};

/**
 * How a tool reaches the proxy: by TCP on the loopback, for tools that speak HTTP to it; by a command that git starts for each
 * connection of its own protocol (GIT_PROXY_COMMAND); or not at all. The first two start a program in the sandbox.
 */
export type ProxyAccess = 'loopback' | 'command' | 'nothing';

/** Wraps a command so that it runs in the sandbox. */
export function toolCommand(
  { dir, net, files, groups, uid, native, runner }: ToolContext,
  command: readonly string[],
  reach: ProxyAccess,
  guards: ToolGuards,
): string[] {
  const firstFd = native === undefined ? FIRST_FD : FIRST_NATIVE_FD;
  const opened: string[] = [];
  const open = (name: string): string => {
    opened.push(`${files}/${name}`);
    return String(firstFd + opened.length - 1);
  };
  const bwrap = [
    ...['--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try', '--hostname', 'quorate'],
    ...guards.processes(),
    ...guards.network(),
    ...['--new-session', '--die-with-parent', '--cap-drop', 'ALL'],
    ...accountFlags(uid),
    ...passage('/etc/x'),
    ...systemPaths(),
    ...profileEtc.flatMap(({ path }) => ['--perms', '0644', '--file', open(toolFiles.etc(path)), path]),
    ...guards.files(),
    ...(reach === 'nothing' ? [] : reaching(net, open(toolFiles.tunnel), runner)),
    ...['--proc', '/proc', ...devices],
    ...passage(dir),
    ...['--bind', dir, dir, '--remount-ro', '/', '--chdir', dir],
    ...['--seccomp', open(toolFiles.filter)],
  ];
  // The native program searches no PATH.
  const [file = '', ...words] = command;
  const named = [file.includes('/') ? file : tool(file), ...words];
  const inside = [
    ...accountPrefix(uid, native === undefined ? undefined : firstFd + opened.length),
    ...(reach === 'loopback' ? withLoopback(named) : named),
  ];
  const enter = native === undefined ? enterByTools(opened, groups) : enterNatively(native, opened, groups);
  return [...enter, tool('bwrap'), ...bwrap, '--', ...inside];
}

/** A mount each, as all that bwrap has by itself: git and a tunnel use no more. */
const devices = [
  ...['--perms', '0755', '--dir', '/dev'],
  ...['/dev/null', '/dev/urandom'].flatMap((path) => ['--dev-bind', path, path]),
];

function enterByTools(opened: readonly string[], groups: readonly string[]): string[] {
  return [
    ...[tool('bash'), '--norc', '-c', enterScript, 'quorate-enter', String(FIRST_FD)],
    ...[String(opened.length), String(groups.length), ...opened, ...groups],
    ...prlimit(buildProcessLimits(processBounds)),
  ];
}

/** The same by the native program, which then is the descriptor after the files. */
function enterNatively(native: string, opened: readonly string[], groups: readonly string[]): string[] {
  return [
    ...[native, 'enter', 'keep', String(FIRST_NATIVE_FD)],
    ...opened.flatMap((path, n) => ['open', String(FIRST_NATIVE_FD + n), path]),
    ...groups.flatMap((directory) => ['group', directory]),
    ...Object.entries(buildProcessLimits(processBounds)).flatMap(([name, value]) => [
      'limit',
      name,
      ...value.split(':'),
    ]),
    ...['self', String(FIRST_NATIVE_FD + opened.length), '--'],
  ];
}

/**
 * A tool of an ordinary user runs as uid 1000 in a user namespace. For root there is no user namespace: bwrap as root can bind
 * folders that only root can enter, and the first command inside switches to an unused account.
 */
function accountFlags(uid: number | undefined): string[] {
  if (uid === undefined) return ['--unshare-user', '--disable-userns', '--uid', '1000', '--gid', '1000'];
  return ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP'].flatMap((capability) => ['--cap-add', capability]);
}

/** `self`: the descriptor of the native program. */
function accountPrefix(uid: number | undefined, self: number | undefined): string[] {
  if (self !== undefined) {
    const drop = uid === undefined ? [] : ['drop', String(uid)];
    return [`/proc/self/fd/${self}`, 'enter', 'keep', String(FIRST_NATIVE_FD), ...drop, '--'];
  }
  if (uid === undefined) return [];
  return [
    ...['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--no-new-privs'],
    ...['--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--'],
  ];
}

function reaching(net: string, tunnel: string, runner: TunnelRunner): string[] {
  return [
    ...certificates().flatMap((path) => [...passage(path), '--ro-bind', path, path]),
    ...passage(tunnelPaths.net),
    ...(runner === 'node' ? ['--ro-bind', process.execPath, tunnelPaths.node] : []),
    ...['--ro-bind', net, tunnelPaths.net],
    ...['--perms', '0755', '--ro-bind-data', tunnel, tunnelPaths.tunnel],
    ...Object.entries(toolProxyEnvironment).flatMap(([name, value]) => ['--setenv', name, value]),
  ];
}

function tool(name: string): string {
  return findTool(name) ?? name;
}
