/** What a unit is made from. Paths are absolute. */
export interface ServiceOptions {
  /** The user's own service manager, or the machine's. */
  scope: 'system' | 'user';
  node: string;
  /** The program's entry, `bin/quorate.js`. */
  script: string;
  home: string;
  /** Options of `join` that it was called with. */
  args: string[];
  /** Of the machine's manager: whom it runs as. */
  user?: 'root' | typeof serviceUser;
}

export const serviceUser = 'quorate';
export const serviceName = 'quorate.service';
/** Where a machine's service keeps its key, memberships and artifacts. */
export const systemHome = '/var/lib/quorate';
/** A unit that begins with it is ours to replace. */
export const unitMark = '# Written by "quorate join --service".';
/** DelegateSubgroup= and RestartSteps= came with it. */
export const systemdWanted = 254;

/**
 * The unit, as text. It confines the worker, never what a build sees: sandboxes inherit system call filters and what is
 * mounted over /proc, so a build would go otherwise here than elsewhere, or bubblewrap would not start at all.
 */
export function unitOf(options: ServiceOptions): string {
  const { scope, node, script, home, args } = options;
  const command = [node, script, '--home', home, 'join', ...args, '--yes'].map(commandWord).join(' ');
  const system = scope === 'system';
  const lines = [
    unitMark,
    '[Unit]',
    'Description=Quorate worker: lends this machine to a project',
    ...(system ? ['Wants=network-online.target', 'After=network-online.target'] : []),
    '# Tries for ever, ever more slowly.',
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    'Type=exec',
    `ExecStart=${command}`,
    ...(system ? [`User=${options.user ?? serviceUser}`, ...folders(home)] : []),
    'Restart=on-failure',
    'RestartSec=5',
    'RestartSteps=8',
    'RestartMaxDelaySec=5min',
    '# Stopped before it had begun to work.',
    'SuccessExitStatus=130',
    '# Used wrongly (a ticket, a membership that is gone): starting again does not mend it.',
    'RestartPreventExitStatus=2',
    '# The worker ends its builds itself; only what is left after that is killed.',
    'KillMode=mixed',
    'TimeoutStopSec=15',
    'UMask=0077',
    '',
    "# Each build gets a control group of its own below this service's, which systemd leaves alone.",
    'Delegate=yes',
    'DelegateSubgroup=main',
    'OOMPolicy=continue',
    "# A fifth of the usual share: the machine stays its owner's.",
    'CPUWeight=20',
    'IOWeight=20',
    '',
    '# What would be inherited by builds and change what they see, or stop bubblewrap (system call filters, anything',
    '# mounted over /proc, namespaces, the host name), is left to the sandbox itself.',
    'NoNewPrivileges=yes',
    ...(system ? confined(options) : []),
    '',
    '[Install]',
    `WantedBy=${system ? 'multi-user.target' : 'default.target'}`,
  ];
  return `${lines.join('\n')}\n`;
}

function folders(home: string): string[] {
  return home === systemHome
    ? [
        'StateDirectory=quorate',
        'StateDirectoryMode=0700',
        'CacheDirectory=quorate',
        'Environment=XDG_CACHE_HOME=%C/quorate',
      ]
    : [`ReadWritePaths=${quoted(home)}`, `Environment=${quoted(`XDG_CACHE_HOME=${home}/cache`)}`];
}

function confined({ home, node, script, user }: ServiceOptions): string[] {
  const inHome = [home, node, script].some((path) => /^\/(home|root|run\/user)(\/|$)/.test(path));
  return [
    'ProtectSystem=strict',
    `ProtectHome=${inHome ? 'read-only' : 'yes'}`,
    'PrivateTmp=yes',
    ...(user === 'root' ? [] : ['CapabilityBoundingSet=', 'AmbientCapabilities=']),
  ];
}

/** One word of a command line (systemd.service(5)): no variable either. */
const commandWord = (word: string): string => quoted(word.replaceAll('$', '$$$$'));

/** One word as systemd.syntax(7) reads it, without specifiers. */
function quoted(word: string): string {
  const plain = word.replaceAll('%', '%%');
  if (/^[A-Za-z0-9_./:%$@=+,-]+$/.test(plain)) return plain;
  return `"${plain.replace(/["\\]/g, '\\$&')}"`;
}
