import { findTool } from '../host.ts';
import { accountFlags, certificates, dropTo, passage, systemPaths } from '../namespace/arguments.ts';
import { type Entering, enterByTools, enterNatively } from '../run/enter.ts';
import { buildProcessLimits, processBounds } from '../run/process-limits.ts';
import { profileEtc } from '../run/profile.ts';
import { toolProxyEnvironment, tunnelPaths, withLoopback } from './tunnel.ts';

/** Descriptors from here on are closed: the tool has its standard streams only. */
const FIRST_CLOSED = 3;
/** The first descriptor for files that bwrap reads, where tools take the place of the native program. */
const FIRST_BY_TOOLS = 10;

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
  { dir, net, files, groups, uid, native }: ToolContext,
  command: readonly string[],
  reach: ProxyAccess,
  guards: ToolGuards,
): string[] {
  const firstFd = native === undefined ? FIRST_BY_TOOLS : FIRST_CLOSED;
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
    ...(reach === 'nothing' ? [] : reaching(net, open(toolFiles.tunnel))),
    ...['--proc', '/proc', ...devices],
    ...passage(dir),
    ...['--bind', dir, dir, '--remount-ro', '/', '--chdir', dir],
    ...['--seccomp', open(toolFiles.filter)],
  ];
  // The native program searches no PATH.
  const [file = '', ...words] = command;
  const named = [file.includes('/') ? file : tool(file), ...words];
  const inside = [
    ...dropByWhatIsThere(uid, native === undefined ? undefined : firstFd + opened.length),
    ...(reach === 'loopback' ? withLoopback(named) : named),
  ];
  const entering: Entering = {
    keep: FIRST_CLOSED,
    files: { first: firstFd, paths: opened },
    directories: groups,
    limits: buildProcessLimits(processBounds),
  };
  const enter = native === undefined ? enterByTools(entering) : enterNatively(native, entering);
  return [...enter, tool('bwrap'), ...bwrap, '--', ...inside];
}

/** A mount each, as all that bwrap has by itself: git and a tunnel use no more. */
const devices = [
  ...['--perms', '0755', '--dir', '/dev'],
  ...['/dev/null', '/dev/urandom'].flatMap((path) => ['--dev-bind', path, path]),
];

/** `self`: the descriptor of the native program. */
function dropByWhatIsThere(uid: number | undefined, self: number | undefined): string[] {
  if (self === undefined) return dropTo(uid);
  const drop = uid === undefined ? [] : ['drop', String(uid)];
  return [`/proc/self/fd/${self}`, 'enter', 'keep', String(FIRST_CLOSED), ...drop, '--'];
}

function reaching(net: string, tunnel: string): string[] {
  return [
    ...certificates().flatMap((path) => [...passage(path), '--ro-bind', path, path]),
    ...passage(tunnelPaths.net),
    ...['--ro-bind', process.execPath, tunnelPaths.node],
    ...['--ro-bind', net, tunnelPaths.net],
    ...['--perms', '0755', '--ro-bind-data', tunnel, tunnelPaths.tunnel],
    ...Object.entries(toolProxyEnvironment).flatMap(([name, value]) => ['--setenv', name, value]),
  ];
}

function tool(name: string): string {
  return findTool(name) ?? name;
}
