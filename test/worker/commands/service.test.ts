import { execFile } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { asAccount, homeFor } from '../../../src/worker/commands/service/account.ts';
import {
  checkProgram,
  checkSystemd,
  commandsFor,
  userOf,
  writeUnit,
} from '../../../src/worker/commands/service/install.ts';
import { type ServiceOptions, unitOf } from '../../../src/worker/commands/service/unit.ts';
import { folder, quorateProcess } from '../../cli/support.ts';
import { quorateWords } from '../../support/program.ts';
import { testKey } from '../../support/project.ts';

/** Not where this checkout happens to be; the program is one that is there, since systemd looks. */
const [node, bin] = ['/usr/bin/env', '/opt/quorate/bin/quorate.js'];
const project = testKey('root').id;
const system: ServiceOptions = {
  scope: 'system',
  node,
  script: bin,
  home: '/var/lib/quorate',
  args: ['--project', project],
};

/** systemd's complaints about a unit; none for a good one. */
async function verify(unit: string, scope: 'system' | 'user'): Promise<string> {
  const dir = folder();
  const file = join(dir, 'quorate.service');
  writeFileSync(file, unit);
  const args = [...(scope === 'user' ? ['--user'] : []), 'verify', '--man=no', file];
  const env = { PATH: process.env.PATH, HOME: dir, XDG_RUNTIME_DIR: dir, LC_ALL: 'C' };
  const { stdout, stderr } = await promisify(execFile)('systemd-analyze', args, { env, timeout: 120_000 });
  // About units of this machine that ours only stands beside.
  return `${stdout}${stderr}`
    .split('\n')
    .filter((line) => line.includes('quorate'))
    .join('\n');
}

const line = (unit: string, key: string) =>
  unit
    .split('\n')
    .filter((text) => text.startsWith(`${key}=`))
    .map((text) => text.slice(key.length + 1));

describe('the unit of join --service', () => {
  it.each<[string, Partial<ServiceOptions>]>([
    ['of the machine', {}],
    ['of the machine, as root', { user: 'root' }],
    ['of the machine, elsewhere', { home: '/srv/lent out/100%' }],
    ['of an account', { scope: 'user', home: '/home/ada/.quorate' }],
    [
      'with all options',
      { args: ['--project', project, '--cpus', '2', '--listen', '/ip4/0.0.0.0/tcp/4711'] },
    ],
  ])('%s is one systemd has nothing to say about', async (_, over) => {
    const options = { ...system, ...over };
    expect(await verify(unitOf(options), options.scope)).toBe('');
  });

  it('is one systemd would complain about with a mistake in it', async () => {
    expect(await verify(`${unitOf(system)}\n[Service]\nDelegat=yes\n`, 'system')).toContain('Delegat');
  });

  it('says each word of the command so that systemd reads it as it is', async () => {
    const odd = ['a b', '50%', '$HOME', 'say "hi"', 'back\\slash', "it's", '/ip4/127.0.0.1/tcp/0'];
    const [command = ''] = line(unitOf({ ...system, args: odd }), 'ExecStart');
    expect(command).toBe(
      `${node} ${bin} --home /var/lib/quorate join "a b" 50%% $$HOME "say \\"hi\\"" "back\\\\slash" "it's" /ip4/127.0.0.1/tcp/0 --yes`,
    );
    expect(await verify(unitOf({ ...system, args: odd }), 'system')).toBe('');
  });

  it('hands control groups over, starts again, and runs as an account of its own', () => {
    const unit = unitOf(system);
    expect(line(unit, 'Delegate')).toEqual(['yes']);
    expect(line(unit, 'DelegateSubgroup')).toEqual(['main']);
    expect(line(unit, 'Restart')).toEqual(['on-failure']);
    expect(line(unit, 'User')).toEqual(['quorate']);
    expect(line(unit, 'ProtectHome')).toEqual(['yes']);
    expect(line(unitOf({ ...system, script: '/home/ada/quorate/bin/quorate.js' }), 'ProtectHome')).toEqual([
      'read-only',
    ]);
    expect(line(unitOf({ ...system, scope: 'user' }), 'User')).toEqual([]);
  });

  it.each([
    'ProtectKernelTunables',
    'ProtectKernelLogs',
    'ProtectControlGroups',
    'ProtectHostname',
    'ProtectProc',
    'ProcSubset',
    'RestrictNamespaces',
    'SystemCallFilter',
    'MemoryDenyWriteExecute',
    'LockPersonality',
    'PrivateDevices',
    'PrivateUsers',
    'RestrictSUIDSGID',
    'DynamicUser',
  ])('has no %s, which would stop bubblewrap or change what builds see', (key) => {
    for (const scope of ['system', 'user'] as const)
      expect(line(unitOf({ ...system, scope }), key)).toEqual([]);
  });
});

describe('quorate join --print-unit', () => {
  it('shows the unit with the options given, and writes nothing', async () => {
    const home = folder();
    const args = ['join', '--print-unit', '--user', '--home', home, '--memory', '4GiB', '--project', project];
    const { code, out, err } = await quorateProcess(args);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const [command] = line(out, 'ExecStart');
    expect(command).toContain(quorateWords[2]);
    expect(command).toContain(` --home ${home} join --project ${project} --memory 4096MiB --yes`);
    expect(await verify(out, 'user')).toBe('');
    const json = await quorateProcess([...args, '--json']);
    expect(JSON.parse(json.out)).toEqual({ unit: out });
  });
});

describe('a service', () => {
  it('needs systemd', async () => {
    await expect(checkSystemd('/nonexistent/systemd')).rejects.toMatchObject({ code: 'SERVICE_FAILED' });
    await expect(checkSystemd('/')).resolves.toBeUndefined();
  });

  it('runs as root only where nobody else could limit builds', async () => {
    const file = join(folder(), 'cgroup.controllers');
    expect(await userOf(file)).toBe('root');
    writeFileSync(file, 'cpuset cpu io memory hugetlb pids\n');
    expect(await userOf(file)).toBe('quorate');
    writeFileSync(file, 'cpu pids\n');
    expect(await userOf(file)).toBe('root');
  });

  it('starts no program from a cache, nor one that its account cannot read', async () => {
    const dir = folder();
    chmodSync(dir, 0o755);
    const program = (...path: string[]) => {
      mkdirSync(join(dir, ...path.slice(0, -1)), { recursive: true });
      writeFileSync(join(dir, ...path), '');
      return join(dir, ...path);
    };
    const cached = program('_npx', 'abc', 'quorate.js');
    await expect(checkProgram(cached, { user: 'own' })).rejects.toMatchObject({
      code: 'SERVICE_FAILED',
    });
    const own = program('private', 'quorate.js');
    symlinkSync(own, join(dir, 'link'));
    chmodSync(join(dir, 'private'), 0o700);
    expect(await checkProgram(join(dir, 'link'), { user: 'own' })).toBe(own);
    await expect(checkProgram(join(dir, 'link'), { user: 'other' })).rejects.toThrow(join(dir, 'private'));
  });

  it('replaces its own unit, no other', async () => {
    const dir = join(folder(), 'systemd', 'user');
    const unit = unitOf(system);
    const file = await writeUnit(dir, unit);
    expect(readFileSync(file, 'utf8')).toBe(unit);
    await writeUnit(dir, unitOf({ ...system, args: ['--project', project, '--cpus', '2'] }));
    expect(readFileSync(file, 'utf8')).toContain('--cpus 2');
    const other = unitOf({ ...system, args: ['--project', testKey('other').id] });
    await expect(writeUnit(dir, other)).rejects.toMatchObject({ code: 'SERVICE_FAILED' });
    writeFileSync(file, '[Unit]\n');
    await expect(writeUnit(dir, unit)).rejects.toMatchObject({ code: 'SERVICE_FAILED' });
    expect(readFileSync(file, 'utf8')).toBe('[Unit]\n');
  });

  it('is told how to start, stop and read', () => {
    for (const scope of ['system', 'user'] as const) {
      const commands = commandsFor(scope);
      expect(Object.keys(commands)).toEqual(expect.arrayContaining(['start', 'stop', 'state', 'logs']));
      expect(Object.values(commands).join()).toMatch(scope === 'user' ? /--user/ : /^(?!.*--user)/);
    }
  });

  const root = process.getuid?.() === 0;
  const nobody = { uid: 65_534, gid: 65_534, made: false };

  it(root ? 'joins with no more rights than its account' : 'is installed by root only', async () => {
    const dir = folder();
    if (!root) {
      await expect(asAccount(nobody, async () => {})).rejects.toThrow(/EPERM/);
      return;
    }
    chmodSync(join(dir, '..'), 0o755);
    const home = join(dir, 'home');
    mkdirSync(join(home, 'inner'), { recursive: true });
    chmodSync(dir, 0o755);
    writeFileSync(join(home, 'inner', 'node.key'), '');
    writeFileSync(join(dir, 'precious'), '');
    symlinkSync(join(dir, 'precious'), join(home, 'link'));
    await homeFor(nobody, home);
    expect(lstatSync(join(home, 'inner', 'node.key')).uid).toBe(nobody.uid);
    expect(lstatSync(join(dir, 'precious')).uid).toBe(0);
    await asAccount(nobody, async () => {
      writeFileSync(join(home, 'made'), '');
      expect(() => writeFileSync(join(dir, 'precious'), 'x')).toThrow(/EACCES/);
    });
    expect(lstatSync(join(home, 'made')).uid).toBe(nobody.uid);
    expect(process.geteuid?.()).toBe(0);
    await expect(homeFor({ uid: 65_533, gid: 65_533 }, home)).rejects.toMatchObject({
      code: 'SERVICE_FAILED',
    });
  });
});
