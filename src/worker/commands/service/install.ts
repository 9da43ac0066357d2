import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { lstat, mkdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { QuorateError } from '../../../protocol/base/errors.ts';
import { type ServiceOptions, serviceName, serviceUser, systemdWanted, unitMark } from './unit.ts';

const programMsMax = 10_000;

/** Checks that systemd is running and recent enough. @throws `SERVICE_FAILED`. */
export async function checkSystemd(running = '/run/systemd/system'): Promise<void> {
  if (!existsSync(running))
    throw new QuorateError('SERVICE_FAILED', 'systemd does not run this machine', {
      hint: 'Join without --service, and have whatever starts programs here start: quorate join --yes',
    });
  const { stdout } = await promisify(execFile)('systemctl', ['--version'], { timeout: programMsMax });
  const version = Number(/^systemd (\d+)/.exec(stdout)?.[1] ?? 0);
  if (version < systemdWanted)
    throw new QuorateError(
      'SERVICE_FAILED',
      `this machine has systemd ${version}; from ${systemdWanted} on it can hand control groups to builds`,
      { hint: 'Run "quorate join" by hand, or in a newer system.' },
    );
}

/** The user of the service: root where control groups are not unified (v2), since other users cannot limit builds then. */
export async function userOf(
  controllers = '/sys/fs/cgroup/cgroup.controllers',
): Promise<'root' | typeof serviceUser> {
  const found = (await readFile(controllers, 'utf8').catch(() => '')).split(/\s+/);
  return ['cpu', 'memory', 'pids'].every((name) => found.includes(name)) ? serviceUser : 'root';
}

/** The real path of a program that is installed for good and readable by the service's user. @throws SERVICE_FAILED */
export async function checkProgram(path: string, { user }: { user: 'own' | 'other' }): Promise<string> {
  const real = await realpath(path);
  const unfit = (why: string) =>
    new QuorateError('SERVICE_FAILED', `${real} ${why}`, {
      hint: 'Install it for the whole machine, and use that one: npm install --global --prefix /usr/local <package>',
    });
  if (real.includes('/_npx/')) throw unfit('is in a cache of npm, which may be emptied at any time');
  if (user === 'own') return real;
  for (let at = real; ; at = dirname(at)) {
    const { mode } = await lstat(at);
    if ((mode & (at === real ? 0o4 : 0o1)) === 0) throw unfit(`cannot be read by others, because of ${at}`);
    if (at === dirname(at)) return real;
  }
}

/** Writes the unit file; replaces only one that Quorate wrote for the same project. Returns its path. @throws `SERVICE_FAILED`. */
export async function writeUnit(folder: string, unit: string): Promise<string> {
  const file = join(folder, serviceName);
  const before = await readFile(file, 'utf8').catch(() => undefined);
  const refuse = (why: string) =>
    new QuorateError('SERVICE_FAILED', `${file} ${why}`, {
      hint: 'Stop that service and remove the file first.',
    });
  if (before?.startsWith(unitMark) === false) throw refuse('is there already, and not from "quorate join"');
  if (before !== undefined && projectIn(before) !== projectIn(unit))
    throw refuse(`works for another project, ${projectIn(before) ?? 'which it does not name'}`);
  await mkdir(folder, { recursive: true });
  await writeFile(file, unit, { mode: 0o644 });
  return file;
}

const projectIn = (unit: string): string | undefined => /--project (\S+)/.exec(unit)?.[1];

export function commandsFor(scope: ServiceOptions['scope']): Record<string, string> {
  const [systemctl, journalctl] =
    scope === 'user' ? ['systemctl --user', 'journalctl --user'] : ['systemctl', 'journalctl'];
  return {
    start: `${systemctl} daemon-reload && ${systemctl} enable --now ${serviceName}`,
    restart: `${systemctl} restart ${serviceName}`,
    stop: `${systemctl} disable --now ${serviceName}`,
    state: `${systemctl} status ${serviceName}`,
    logs: `${journalctl} --unit ${serviceName} --follow`,
    ...(scope === 'user' ? { always: 'loginctl enable-linger  (also while you are logged out)' } : {}),
  };
}
