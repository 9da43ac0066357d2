/** Options of a systemd unit. Paths are absolute. */
export interface ServiceOptions {
  /** The user's service manager, or the system's. */
  scope: 'system' | 'user';
  node: string;
  /** The program's entry, `bin/quorate.js`. */
  script: string;
  home: string;
  /** Options for `join`. */
  args: string[];
  /** User that a system service runs as. */
  user?: 'root' | typeof serviceUser | undefined;
}

export const serviceUser = 'quorate';
export const serviceName = 'quorate.service';
/** Home folder of a system service. */
export const systemHome = '/var/lib/quorate';
/** First line of units that Quorate wrote, and may replace. */
export const unitMark = '# Written by "quorate join --service".';
/** Oldest systemd version with DelegateSubgroup= and RestartSteps=. */
export const systemdWanted = 254;

/**
 * The text of the unit. Its confinement must not affect builds: sandboxes inherit system call filters and mounts over /proc,
 * with which a build could differ, or bubblewrap fail to start.
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
  const ofSystem = ['StateDirectory=quorate', 'StateDirectoryMode=0700', 'CacheDirectory=quorate'];
  return home === systemHome
    ? [...ofSystem, 'Environment=XDG_CACHE_HOME=%C/quorate']
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
