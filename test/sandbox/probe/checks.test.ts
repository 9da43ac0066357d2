import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { hasFile } from '../../../sandbox/cgroups/abilities.ts';
import type { CgroupParent } from '../../../sandbox/cgroups/parents.ts';
import {
  controllerChecks,
  platformCheck,
  swapCheck,
  toolChecks,
  userNamespaceFix,
} from '../../../sandbox/probe/host-checks.ts';
import { checkFromInside } from '../../../sandbox/probe/inside-checks.ts';
import type { TierSandbox } from '../../../sandbox/run/tier.ts';
import type { SandboxIo, SandboxJob, SandboxOutcome } from '../../../sandbox/types.ts';
import { tempFolder } from '../support.ts';

describe('a look at the host', () => {
  it('knows the platforms that are supported', () => {
    const ok = (platform: NodeJS.Platform, arch: NodeJS.Architecture) => platformCheck({ platform, arch }).ok;
    expect([ok('linux', 'x64'), ok('linux', 'arm64')]).toEqual([true, true]);
    expect([ok('linux', 'arm'), ok('darwin', 'arm64'), ok('win32', 'x64')]).toEqual([false, false, false]);
    expect(platformCheck({ platform: 'linux', arch: 'x64' })).not.toHaveProperty('fix');
    expect(platformCheck({ platform: 'darwin', arch: 'x64' }).fix).toContain('Linux');
  });

  it('names a program that is missing, and its package', () => {
    const checks = toolChecks([{ name: 'no-such-tool', package: 'p' }]);
    expect(checks[0]).toEqual({
      name: 'no-such-tool',
      ok: false,
      found: 'missing',
      fix: 'apt-get install -y p',
      package: 'p',
    });
    expect(checks.slice(1).every(({ ok, found }) => ok && found.startsWith('/'))).toBe(true);
    expect(checks).toHaveLength(8);
  });

  const memory: CgroupParent = { version: 1, path: '/m', controllers: ['memory'] };

  it('names each controller that is missing, with what helps there', () => {
    vi.spyOn(process, 'getuid').mockReturnValue(0);
    const why = (text: string) =>
      controllerChecks({ parents: [memory], missing: [{ controller: 'cpu', why: text }] });
    const [first, second, third] = why('no cgroup file system is mounted');
    expect(first).toEqual({ name: 'memory control group', ok: true, found: 'cgroup v1 at /m' });
    expect(second).toMatchObject({ ok: false, fix: 'mount -t cgroup2 none /sys/fs/cgroup' });
    expect(third).toMatchObject({ ok: false, found: 'no such controller' });
    expect(why('/m (cgroup v1) is not writable for this user')[1]?.fix).toMatch(/as root/);
    expect(why('not delegated')[1]?.fix).toMatch(/^systemd-run --scope/);
    vi.spyOn(process, 'getuid').mockReturnValue(1000);
    const whole = (['cpu', 'pids'] as const).map((controller) => ({
      controller,
      why: `/${controller}/own (cgroup v1) is not writable for this user`,
    }));
    expect(controllerChecks({ parents: [memory], missing: whole }).slice(1)).toMatchObject([
      { name: 'cpu, pids control group', found: 'cgroup v1 is not writable for this user' },
    ]);
    expect(why('not delegated')[1]?.fix).toMatch(/^systemd-run --user --scope/);
  });
  afterEach(() => void vi.restoreAllMocks());

  it('passes a host that swaps only where jobs do not', async () => {
    const swaps = 'Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2';
    const none = { parents: [memory], missing: [] };
    expect(swapCheck(none, 'Filename Type Size Used Priority')).toMatchObject({ ok: true });
    expect(swapCheck(none, '')).toMatchObject({ ok: true });
    for (const parents of [[], [{ ...memory, path: '/no/such' }]])
      expect(swapCheck({ parents, missing: [] }, swaps)).toMatchObject({
        ok: false,
        fix: expect.stringContaining('swapoff'),
        found: expect.stringContaining('memory.memsw.limit_in_bytes'),
      });
    const v2 = { ...memory, version: 2 as const, path: '/no/such' };
    expect(swapCheck({ parents: [v2], missing: [] }, swaps).found).toContain('memory.swap.max');
    const folder = await tempFolder();
    onTestFinished(() => folder.remove());
    const parent = { path: folder.path };
    expect(hasFile(parent, 'job', 'x')).toBe(false);
    // Its folder is made, looked into and removed again: a second look finds none.
    expect(hasFile(parent, 'job', '.')).toBe(true);
    expect(hasFile(parent, 'job', '.')).toBe(true);
    await mkdir(join(folder.path, 'taken'));
    writeFileSync(join(folder.path, 'taken', 'x'), '');
    expect(hasFile(parent, 'taken', 'x')).toBe(false);
  });

  it('names the switch that forbids user namespaces', () => {
    const fix = (file: string, value: string) =>
      userNamespaceFix((path) => (path.endsWith(file) ? `${value}\n` : undefined)).fix;
    expect(fix('unprivileged_userns_clone', '0')).toBe('sysctl -w kernel.unprivileged_userns_clone=1');
    expect(fix('max_user_namespaces', '0')).toBe('sysctl -w user.max_user_namespaces=10000');
    expect(fix('apparmor_restrict_unprivileged_userns', '1')).toMatch(/userns=0$/);
    expect(fix('unprivileged_userns_clone', '1')).toBeUndefined();
    expect(userNamespaceFix(() => undefined)).toEqual({});
  });
});

describe('a look from inside', () => {
  const good: Record<string, string> = {
    kernel: '6.12.1',
    account: '1000:1000',
    capabilities: '5 of 5 sets empty',
    privileges: 'NoNewPrivs:1',
    filter: 'Seccomp:2',
    namespaces: 'closed',
    network: 'lo',
    files: 'host paths seen: none',
    'read-only': 'host paths written: none',
    processes: '9',
    disk: 'held',
    pids: 'held',
  };
  const exit = (code: number): SandboxOutcome => ({ kind: 'exit', code });
  const aborted = (reason: 'memory' | 'time' | 'disk'): SandboxOutcome => ({
    kind: 'aborted',
    reason,
    detail: `over\nits ${reason}`,
  });

  interface Acts {
    readonly said?: Record<string, string | undefined>;
    readonly look?: SandboxOutcome;
    readonly memory?: SandboxOutcome;
    readonly time?: SandboxOutcome;
    readonly cpu?: SandboxOutcome;
    readonly share?: number;
    readonly outputs?: string;
    readonly before?: string;
  }

  /** A sandbox whose jobs end as the test says. */
  async function look(acts: Acts = {}) {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const limitsOf: Record<string, SandboxJob['limits']> = {};
    let spent = 100;
    const run = async ({ run: [step], limits }: SandboxJob, io: SandboxIo): Promise<SandboxOutcome> => {
      const text = String(step);
      const name =
        (text.includes('say kernel') && 'look') ||
        (text.includes('dd if') && 'memory') ||
        (text.includes('cpu begins') && 'cpu') ||
        'time';
      limitsOf[name] = limits;
      if (name === 'memory') return acts.memory ?? aborted('memory');
      if (name === 'time') return acts.time ?? aborted('time');
      if (name === 'cpu') {
        if (acts.share === undefined || !Number.isNaN(acts.share))
          io.onLog(Buffer.from('quorate-probe cpu begins\n'));
        vi.advanceTimersByTime(1_000);
        io.onLog(Buffer.from('more\n'));
        vi.advanceTimersByTime(1_000);
        spent += 2 * (acts.share ?? 0.25);
        return acts.cpu ?? exit(0);
      }
      const said = Object.entries({ ...good, ...acts.said }).filter(([, found]) => found !== undefined);
      const lines = said.map(([key, found]) => `quorate-probe ${key} ${found}\n`);
      io.onLog(Buffer.from(acts.before ?? ''));
      io.onLog(Buffer.from(lines.join('')));
      await io.onOutputs(Readable.from([Buffer.from(acts.outputs ?? 'tar')]));
      return acts.look ?? exit(0);
    };
    const sandbox = { run, processorSeconds: () => spent, kernel: '' };
    const steps: string[] = [];
    const at = { sandbox: sandbox as unknown as TierSandbox, alone: sandbox as unknown as TierSandbox };
    const checks = await checkFromInside(at, 'host', new AbortController().signal, (step) =>
      steps.push(step),
    );
    const failed = checks.filter(({ ok }) => !ok).map(({ name }) => name);
    return { checks, failed, steps, limitsOf, kernel: sandbox.kernel };
  }

  it('passes where each guard holds, and says what it looks at', async () => {
    const { checks, failed, steps, limitsOf, kernel } = await look();
    expect(failed).toEqual([]);
    expect(checks).toHaveLength(16);
    expect(kernel).toBe('6.12.1');
    expect(steps[0]).toBe('guards, memory limit, time limit, processor limit');
    expect(steps).toHaveLength(4);
    expect(steps.at(-1)).toMatch(/^\w+( limit)?$/);
    // A host may be busy: a job has time, but for the one whose time is looked at.
    expect([limitsOf.look?.seconds, limitsOf.time?.seconds, limitsOf.cpu?.cpus]).toEqual([60, 0.2, 0.25]);
  });

  it.each<[string, Acts]>([
    ['outputs come back', { outputs: '' }],
    ['unprivileged account', { said: { account: '0:0' } }],
    ['no capabilities', { said: { capabilities: '4 of 5 sets empty' } }],
    ['no new privileges', { said: { privileges: 'NoNewPrivs:0' } }],
    ['system call filter', { said: { filter: 'Seccomp:0' } }],
    ['no further namespaces', { said: { namespaces: 'open' } }],
    ['no network', { said: { network: 'lo eth0' } }],
    ['host files hidden', { said: { files: 'host paths seen: /root' } }],
    ['system read-only', { said: { 'read-only': 'host paths written: /usr/' } }],
    ['own processes only', { said: { processes: '10' } }],
    ['own processes only', { said: { processes: '0' } }],
    ['disk limit', { said: { disk: 'open' } }],
    ['process limit', { said: { pids: 'open' } }],
    ['processor limit', { share: 0.51 }],
    ['processor limit', { share: Number.NaN }],
    ['processor limit', { cpu: exit(1) }],
    ['processor limit', { cpu: aborted('time') }],
    ['memory limit', { memory: exit(0) }],
    ['memory limit', { memory: aborted('time') }],
    ['time limit', { time: exit(0) }],
    // Words of a job after much else are not read.
    ['unprivileged account', { before: `quorate-probe account 0\n${'x'.repeat(64 * 1024)}\n` }],
  ])('finds that there is no guard: %s', async (name, acts) => {
    const { failed } = await look(acts);
    expect(failed).toContain(name);
    if (acts.before === undefined) expect(failed).toEqual([name]);
  });

  it('ends once each of its jobs has ended, also where one fails', async () => {
    const opens = Promise.withResolvers<void>();
    let ended = 0;
    const run = async ({ run: [step] }: SandboxJob): Promise<SandboxOutcome> => {
      if (String(step).includes('say kernel')) throw new Error('interrupted');
      await opens.promise;
      ended++;
      return aborted('time');
    };
    const sandbox = { run, processorSeconds: () => 0 } as unknown as TierSandbox;
    const { signal } = new AbortController();
    const looked = checkFromInside({ sandbox, alone: sandbox }, 'host', signal, () => {});
    const endedThen = looked.catch(() => ended);
    setImmediate(opens.resolve);
    expect(await endedThen).toBe(3);
    await expect(looked).rejects.toThrow('interrupted');
  });

  it.each<[string, Acts]>([
    ['a network that has only itself', { said: { network: '' } }],
    ['half of a processor', { share: 0.5 }],
    ['four sets of capabilities', { said: { capabilities: '4 of 4 sets empty' } }],
    ['the words of setpriv', { said: { privileges: 'no_new_privs:1' } }],
    ['one process', { said: { processes: '1' } }],
  ])('passes as well with %s', async (_, acts) => {
    expect((await look(acts)).failed).toEqual([]);
  });

  it('says what came of a job, in a line', async () => {
    const found = (checks: { name: string; found: string }[], name: string) =>
      checks.find((check) => check.name === name)?.found;
    const { checks } = await look({ memory: exit(3) });
    expect(found(checks, 'time limit')).toBe('ended for time: over its time');
    expect(found(checks, 'memory limit')).toBe('exit 3: ');
    expect(found(checks, 'outputs come back')).toBe('3 bytes');
    const missing = await look({ said: { account: undefined } });
    expect(found(missing.checks, 'unprivileged account')).toBe('nothing was reported');
  });

  it.each([exit(1), aborted('disk')])('looks no further where no job runs: $kind', async (outcome) => {
    const { checks } = await look({ look: outcome });
    expect(checks).toHaveLength(1);
    expect(checks[0]).toMatchObject({ name: 'a job runs', ok: false });
    expect(checks[0]?.found).not.toBe('yes');
  });
});
