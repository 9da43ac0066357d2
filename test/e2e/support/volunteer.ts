import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Terminal } from '../../bad-input/support/terminal.ts';
import { quorateWords } from '../../support/program.ts';
import { Cluster } from './cluster.ts';
import { gate } from './gate.ts';
import { type Handed, handOver } from './ordinary-user.ts';
import { Proc } from './processes.ts';
import { until } from './wait.ts';

const repository = join(import.meta.dirname, '..', '..', '..');

const held = gate();

/** Says that it lives five times a second until the gate opens, and leaves a program running that would outlive it. */
const ticking = (marker: string): string => `jobs:
  build:
    image: host
    run:
      - |
        setsid sleep ${marker} &
        while sleep 0.2; do echo tick; done &
        ${held.step}
        kill $!
        echo built > "$OUT/out"
    outputs: [out]
    limits: {cpus: 2, memory: 256MiB, disk: 64MiB, time: 10m, pids: 128}
    trust: {agree: 2, of: 3, cosign: required, rounds: 1}
`;

let cluster: Cluster;

beforeAll(async () => {
  // One machine alone: rounds must not wait for others.
  cluster = await Cluster.start({ slotWait: '2s', askInside: true });
  await chmod(cluster.dir, 0o711);
});

/** The life of a volunteer's worker under this account, as tests of the suite that calls. */
export function lends(uid: number): void {
  const who = `user-${uid}`;
  const ordinary = uid !== process.getuid?.();
  let handed: Handed | undefined;
  let home: string;
  let temporary: string;
  let env: NodeJS.ProcessEnv;
  let terminal: Terminal | undefined;

  beforeAll(async () => {
    home = cluster.home(who);
    temporary = join(cluster.dir, `tmp-of-${who}`);
    for (const folder of [home, temporary]) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await chown(folder, uid, uid);
    }
    await chmod(dirname(home), 0o711);
    const NODE_COMPILE_CACHE = join(home, 'compiled');
    env = { PATH: process.env.PATH, HOME: home, TMPDIR: temporary, LANG: 'C.UTF-8', NODE_COMPILE_CACHE };
    if (ordinary) handed = handOver({ uid, dir: cluster.dir, repository });
  });
  afterAll(() => handed?.takeBack());

  /** `quorate …` as this account, in its control groups. */
  function command(args: string[], enter = handed?.enter): string[] {
    const program = [...quorateWords, '--home', home, ...args];
    if (handed === undefined) return program;
    const [, ...words] = program.map((word) => word.replace(repository, handed?.repository ?? ''));
    return [...(enter ?? []), handed.node, ...words];
  }

  /** From outside; what an account may say to its own worker, root may too. */
  async function steer(...args: string[]) {
    const { code, lines, report } = await cluster.cli(['worker', ...args], { home: who, cwd: cluster.dir });
    expect(code, report).toBe(0);
    return (lines[0] as unknown as { status: Status }).status;
  }

  async function groups(): Promise<string[]> {
    const notes = join(home, 'sandbox', 'sandbox');
    const names = (await readdir(notes).catch(() => [])).filter((name) => name.endsWith('.json'));
    const all = await Promise.all(
      names.map((name) => readFile(join(notes, name), 'utf8').then(JSON.parse, () => ({ directories: [] }))),
    );
    return all.flatMap(({ directories }: { directories: string[] }) => directories);
  }

  /** The kernel's limit on a build, in the words of either version of control groups. */
  function limitOf(directories: readonly string[], ...names: string[]): string {
    const found = directories
      .flatMap((directory) => names.map((name) => join(directory, name)))
      .find(existsSync);
    return found === undefined ? 'not held' : readFileSync(found, 'utf8').trim();
  }

  /** v1 first says FREEZING. */
  async function standsStill(directories: readonly string[]): Promise<void> {
    await until('a frozen build', () =>
      /^(FROZEN|1)$/.test(limitOf(directories, 'freezer.state', 'cgroup.freeze')),
    );
  }

  async function publish(name: string, marker: string) {
    const url = await cluster.git.commit(`${name}-${uid}`, { 'quorate.yaml': ticking(marker) });
    const run = await cluster.submit(url, '--log');
    const ticks = (): number =>
      run.all('output').reduce((sum, { text }) => sum + String(text).split('tick').length - 1, 0);
    await run.told('a build that speaks', () => ticks() > 0);
    return { run, ticks };
  }

  /** A stopped job would be built again by another worker. */
  async function withdraw({ run }: { run: string }): Promise<void> {
    const { code, report } = await cluster.cli(['cancel', run, '--reason', 'stopped']);
    expect(code, report).toBe(0);
  }

  function start(...args: string[]): Terminal {
    terminal = new Terminal(command(['join', ...args, '--listen', '/ip4/127.0.0.1/tcp/0', '--cpus', '2']), {
      columns: 100,
      rows: 40,
      cwd: '/',
      env,
    });
    return terminal;
  }

  /** Of the worker and of its builds: programs, groups, mounts, sockets, files. */
  async function expectNothingLeft(marker: string, directories: readonly string[]): Promise<void> {
    await until(
      'the end of its programs',
      () => programsWith(marker).length + programsWith(home).length === 0,
    );
    expect(directories.filter(existsSync)).toEqual([]);
    expect(await readdir(join(home, 'sandbox', 'sandbox'))).toEqual([]);
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
    expect(mounts.split('\n').filter((line) => line.includes(home))).toEqual([]);
    expect(await readdir(join(home, 'control'))).toEqual([]);
    expect((await readdir(home)).filter((name) => name.startsWith('tmp-'))).toEqual([]);
    expect(await readdir(temporary)).toEqual([]);
    const sealed = await readdir(join(home, 'store', 'sealed')).catch(() => []);
    expect(sealed).toEqual([]);
  }

  it('says yes, lends less under a running build, pauses, goes on and drains: nothing is left', async () => {
    const marker = `98${uid}.1`;
    const join = start(await cluster.ticket(who), '--tier', 'namespace');
    await join.shows('builds share your kernel');
    await join.shows('Lend this machine? [y/N]');
    join.type('y\n');
    await join.shows('Working for tools');
    await join.shows('is connected to the controller, waiting for jobs'.slice(3));
    expect(await steer('status')).toMatchObject({ state: 'working', builds: [], lending: { cpus: 2 } });

    const { run, ticks } = await publish('steered', marker);
    const directories = await groups();
    expect(limitOf(directories, 'cpu.cfs_quota_us', 'cpu.max')).toMatch(/^200000\b/);
    const less = ['--cpus', '1', '--memory', '200MiB', '--disk', '128MiB', '--processes', '100'];
    await steer('limits', ...less, '--priority', 'idle', '--up', '1MiB/s', '--time', '9m');
    expect(limitOf(directories, 'cpu.cfs_quota_us', 'cpu.max')).toMatch(/^100000\b/);
    expect(limitOf(directories, 'memory.limit_in_bytes', 'memory.max')).toBe(String(200 * 2 ** 20));
    expect(limitOf(directories, 'memory.memsw.limit_in_bytes', 'memory.swap.max')).toMatch(
      /^(not held|0|\d{9})$/,
    );
    expect(limitOf(directories, 'pids.max')).toBe('100');
    expect(limitOf(directories, 'cpu.idle')).toMatch(/^(1|not held)$/);
    expect(await steer('status')).toMatchObject({
      lending: { cpus: 1, pids: 100, seconds: 540, processor: 'idle', upBytes: 2 ** 20 },
    });

    await steer('pause');
    await standsStill(directories);
    const { processorSeconds } = (await steer('status')).using;
    const before = ticks();
    expect((await steer('status')).using.processorSeconds).toBe(processorSeconds);
    await steer('resume');
    await run.told('more of its output', () => ticks() > before + 2);

    expect(await steer('drain')).toMatchObject({ state: 'draining', leases: 1 });
    await held.open();
    expect(await run.event('delivered')).toMatchObject({ operator: who });
    await join.shows('Stopped: this machine builds nothing now');
    expect(await join.end()).toBe(0);
    await expectNothingLeft(marker, directories);
  });

  const lacking = async () => {
    const bare = async (args: string[], cwd = temporary): Promise<Answer> => {
      const [program = '', ...rest] = command(args, handed?.enterBare);
      const proc = new Proc(args[0] ?? '', program, rest, { cwd, env });
      const { code } = await proc.end();
      return { code, said: `${proc.text}${proc.stderr}` };
    };
    const doctor = await bare(['doctor', '--tier', 'namespace']);
    expect(doctor.code, doctor.said).toBe(3);
    expect(doctor.said).toMatch(/missing namespace sandbox: memory(?:, \w+)* control group: .* this user/);
    expect(doctor.said).toMatch(
      /run the same command as root, or |systemd-run --user --scope -p Delegate=yes/,
    );
    expect(doctor.said).toContain('This machine cannot build yet');

    const repo = join(cluster.dir, `repository-of-${who}`);
    const made = [repo, join(repo, 'quorate.yaml')] as const;
    await mkdir(repo);
    await writeFile(made[1], ticking('1'));
    for (const path of made) await chown(path, uid, uid);
    execFileSync(command([])[0] ?? '', [
      ...(handed?.enterBare.slice(1) ?? []),
      'git',
      'init',
      '--quiet',
      repo,
    ]);
    const refused = [await bare(['join', '--yes', '--tier', 'namespace']), await bare(['try'], repo)];
    for (const { code, said } of refused) {
      expect(code, said).toBe(3);
      expect(said).toMatch(/error\[SANDBOX_UNAVAILABLE\]: .*memory(?:, \w+)* control group/);
      expect(said).toMatch(/hint: .*(root|Delegate=yes)/);
    }
  };
  if (ordinary) it('without control groups it is told what is lacking, and builds nothing', lacking);

  it('comes back without being asked again; killed under a build that stands still, or stopped under one that runs, it leaves nothing', async () => {
    const [frozen, running] = [`98${uid}.2`, `98${uid}.3`];
    const first = start('--tier', 'namespace');
    await first.shows('waiting for jobs');
    expect(first.screen().join('\n')).not.toContain('[y/N]');
    const killed = await publish('killed', frozen);
    const left = await groups();
    await steer('pause');
    await standsStill(left);
    const workers = programsWith(home).filter((pid) => commandOf(pid)[0]?.endsWith('/node'));
    expect(workers.length).toBe(1);
    process.kill(workers[0] ?? 0, 'SIGKILL');
    await first.end();
    await withdraw(killed.run);
    expect(left.some(existsSync)).toBe(true);

    const again = start('--tier', 'namespace');
    await again.shows('waiting for jobs');
    expect(left.filter(existsSync)).toEqual([]);
    expect(programsWith(frozen)).toEqual([]);
    const { run } = await publish('stopped', running);
    const directories = await groups();
    expect(directories.length).toBeGreaterThan(0);
    expect(programsWith(running).length).toBeGreaterThan(0);
    const [program = '', ...rest] = command(['worker', 'stop', '--json']);
    expect((await cluster.answer(new Proc('stop', program, rest, { cwd: '/', env }))).code).toBe(0);
    expect(await again.end()).toBe(0);
    await expectNothingLeft(running, directories);
    await withdraw(run);
  });
}

interface Answer {
  code: number | null;
  said: string;
}

interface Status {
  state: string;
  leases: number;
  builds: unknown[];
  using: { processorSeconds: number };
  lending: Record<string, unknown>;
}

const commandOf = (pid: number): string[] => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
};

/** Running programs with this text in one of their words. */
function programsWith(text: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid && commandOf(pid).some((word) => word.includes(text)));
}
