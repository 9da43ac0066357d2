import { profileEtc } from '../build/etc.ts';
import { buildProcessLimits, prlimit } from '../build/process-limits.ts';
import { findTool } from '../host.ts';
import { certificates, systemPaths } from '../namespace/arguments.ts';
import { proxyEnvironment, tunnelPaths, withLoopback } from './tunnel.ts';

/** The tool gives way to everything else on the machine. */
const NICENESS = 10;

/** The first descriptor that carries a file; below are the tool's own three. */
const FIRST_FD = 10;

/**
 * Closes what the caller inherited from whoever started it, opens the files bwrap reads by descriptor, joins the groups
 * (writing 0 moves the writer itself) and becomes the command. bash, because dash cannot name descriptor 10.
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

export interface ToolContext {
  /** The only writable folder, inside at the same path. */
  readonly dir: string;
  /** With the proxy's socket. */
  readonly net: string;
  /** Holds `files`. */
  readonly files: string;
  readonly groups: readonly string[];
  /** The host's uid the tool runs under; undefined is the caller's own. */
  readonly uid: number | undefined;
}

/** Names in `ToolContext.files`. */
export const toolFiles = {
  filter: 'filter',
  tunnel: 'tunnel',
  etc: (path: string) => path.replace('/etc/', 'etc-'),
} as const;

/**
 * What stands between a tool and the machine. The product always uses these; the attack tests weaken one at a time, to
 * show that the attack is real. Not reachable from any option.
 */
export interface ToolGuards {
  readonly network: () => string[];
  readonly processes: () => string[];
  /** Host paths shown read-only. */
  readonly files: () => string[];
}

export const toolGuards: ToolGuards = {
  network: () => ['--unshare-net'],
  processes: () => ['--unshare-pid'],
  files: () => [],
};

/**
 * How a tool gets at the proxy: on the loopback, for what speaks HTTP to it; as a command that git starts for each
 * connection of its own protocol; or not at all. Each costs one start of node, so a tool gets what it uses.
 */
export type ProxyAccess = 'loopback' | 'command' | 'nothing';

/** A command that runs another in the sandbox. */
export function toolCommand(
  { dir, net, files, groups, uid }: ToolContext,
  command: readonly string[],
  reach: ProxyAccess,
  guards: ToolGuards,
): string[] {
  const opened: string[] = [];
  const open = (name: string): string => {
    opened.push(`${files}/${name}`);
    return String(FIRST_FD + opened.length - 1);
  };
  const bwrap = [
    ...['--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try', '--hostname', 'quorate'],
    ...guards.processes(),
    ...guards.network(),
    ...['--new-session', '--die-with-parent', '--cap-drop', 'ALL'],
    ...account(uid).flags,
    ...passage('/etc/x'),
    ...systemPaths(),
    ...certificates().flatMap((path) => [...passage(path), '--ro-bind', path, path]),
    ...profileEtc.flatMap(({ path }) => [
      '--perms',
      '0644',
      '--ro-bind-data',
      open(toolFiles.etc(path)),
      path,
    ]),
    ...guards.files(),
    ...(reach === 'nothing' ? [] : reaching(net, open(toolFiles.tunnel))),
    ...['--proc', '/proc', '--dev', '/dev', '--remount-ro', '/dev'],
    ...passage(dir),
    ...['--bind', dir, dir, '--remount-ro', '/', '--chdir', '/'],
    ...['--seccomp', open(toolFiles.filter)],
  ];
  return [
    ...[tool('bash'), '--norc', '-c', enterScript, 'quorate-enter', String(FIRST_FD)],
    ...[String(opened.length), String(groups.length), ...opened, ...groups],
    ...[
      tool('nice'),
      '-n',
      String(NICENESS),
      ...prlimit(buildProcessLimits()),
      tool('bwrap'),
      ...bwrap,
      '--',
    ],
    ...account(uid).prefix,
    // Not before: the folder is that account's alone.
    ...['env', '-C', dir],
    ...(reach === 'loopback' ? withLoopback(command) : command),
  ];
}

/**
 * An ordinary user's tool gets a user namespace and is uid 1000 there. A root's gets none: bwrap, as root, can bind
 * folders that are root's alone, and the first thing to run inside is the change to an account nobody has.
 */
function account(uid: number | undefined): { flags: string[]; prefix: string[] } {
  if (uid === undefined)
    return { flags: ['--unshare-user', '--disable-userns', '--uid', '1000', '--gid', '1000'], prefix: [] };
  const kept = ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP'];
  return {
    flags: kept.flatMap((capability) => ['--cap-add', capability]),
    prefix: [
      ...['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--no-new-privs'],
      ...['--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--'],
    ],
  };
}

/** The folders above a path: bwrap would make them its own user's alone. */
function passage(path: string): string[] {
  const names = path.split('/').slice(1, -1);
  return names.flatMap((_, n) => ['--perms', '0755', '--dir', `/${names.slice(0, n + 1).join('/')}`]);
}

function reaching(net: string, tunnel: string): string[] {
  return [
    ...passage(tunnelPaths.node),
    ...['--ro-bind', process.execPath, tunnelPaths.node, '--ro-bind', net, tunnelPaths.net],
    ...['--perms', '0755', '--ro-bind-data', tunnel, tunnelPaths.tunnel],
    ...Object.entries(proxyEnvironment).flatMap(([name, value]) => ['--setenv', name, value]),
  ];
}

function tool(name: string): string {
  return findTool(name) ?? name;
}
