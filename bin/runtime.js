// Which Node runs the product, and how to hand over to it. Plain JavaScript for Node 18 and newer.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Helia's HTTP client and type stripping need this one. */
const nodeWanted = '22.19';
/** The child's end of the connection that tells it of signals to its launcher, and of the launcher's end. */
const launcherFd = 3;
const quietFlag = '--disable-warning=ExperimentalWarning';

/** @param {string} version such as `v24.21.0` */
export function isNodeRecent(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  const [majorWanted, minorWanted] = nodeWanted.split('.').map(Number);
  return major > majorWanted || (major === majorWanted && minor >= minorWanted);
}

/**
 * A Node that is recent enough: this one, or the one in the package `node-linux-<arch>` as seen from `from` (a file URL).
 * @returns {{path: string} | {path: undefined, missing: string}} `missing` says what is wanted and how to get it
 */
export function nodeRecent(from) {
  if (isNodeRecent(process.version)) return { path: process.execPath };
  const wants = `needs Node ${nodeWanted} or newer, this is ${process.version}`;
  const name = `node-linux-${process.arch}`;
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    return { path: undefined, missing: `${wants}; install a newer Node with your system's package manager` };
  }
  try {
    const description = createRequire(from).resolve(`${name}/package.json`);
    const path = join(dirname(description), 'bin', 'node');
    // An old one, brought by some other package, would hand over to itself for ever.
    const { version } = JSON.parse(readFileSync(description, 'utf8'));
    if (isNodeRecent(version) && existsSync(path)) return { path };
  } catch {
    // Not installed: said below.
  }
  const folder = fileURLToPath(new URL('..', from));
  const bring = /[\\/]node_modules[\\/]/.test(folder)
    ? `npm install ${installFlags(folder)}${name}@24`
    : `npm ci --prefix ${folder}`;
  return { path: undefined, missing: `${wants}; this brings one along:\n  ${bring}` };
}

/** A global install sits in lib/node_modules, next to which npm puts further global packages. */
function installFlags(folder) {
  return /[\\/]lib[\\/]node_modules[\\/][^\\/]+[\\/]?$/.test(folder) ? '--global ' : '';
}

/**
 * Runs a program in our place: same terminal, same signals, same ending. Never throws; sets the exit code.
 * @param {string} command
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions} [options]
 * @returns {Promise<number>} the exit code, 128 + n after signal n
 */
export function runForwarding(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: 'inherit', ...options });
    // A terminal sends Ctrl-C and its hang-up to the whole group: the child has it already, twice would mean "now!".
    const onTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
    // Signals are written to the pipe that launched.js reads; it delivers each once, whether or not the child had it already.
    const line = child.stdio[launcherFd];
    line?.on('error', () => {}).unref();
    const handlers = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'].map((signal) => {
      const fromTerminal = signal === 'SIGINT' || signal === 'SIGQUIT';
      const handler = () => {
        if (line) line.write(`${signal}\n`);
        else if (!(onTerminal && fromTerminal)) child.kill(signal);
      };
      process.on(signal, handler);
      return [signal, handler];
    });
    const finish = (code) => {
      for (const [signal, handler] of handlers) process.off(signal, handler);
      line?.destroy();
      process.exitCode = code;
      resolve(code);
    };
    child.on('error', (error) => {
      process.stderr.write(`quorate: ${command} did not start: ${error.message}\n`);
      finish(3);
    });
    child.on('exit', (code, signal) =>
      finish(signal === null ? (code ?? 1) : 128 + constants.signals[signal]),
    );
  });
}

/** A script on that Node, in our place: it ends when this process does. What it starts as `node` is the same one. */
export function runOn(nodePath, script, args) {
  const PATH = [dirname(nodePath), process.env.PATH].join(delimiter);
  const watching = ['--import', new URL('launched.js', import.meta.url).href];
  return runForwarding(nodePath, [quietFlag, ...watching, script, ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env: { ...process.env, PATH, QUORATE_LAUNCHER_FD: String(launcherFd) },
  });
}
