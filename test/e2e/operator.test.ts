import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { gate } from './support/gate.ts';
import { LocalCluster } from './support/local-cluster.ts';
import type { Line } from './support/told.ts';
import { until } from './support/wait.ts';

const held = gate();

/** Uses the processor a little, without end, and is done when the test says so. */
const busy = `jobs:
  build:
    image: host
    run:
      - |
        (while sleep 0.05; do i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); done; done) &
        ${held.step}
        kill $!
        echo built > "$OUT/out"
    outputs: [out]
    limits: {cpus: 2, memory: 256MiB, disk: 64MiB, time: 10m}
    trust: {agree: 2, of: 3, cosign: required, rounds: 1}
`;

interface Status {
  state: string;
  reason: string | null;
  builds: { job: string; ms: number }[];
  using: { memoryBytes: number; processorSeconds: number };
  lending: { cpus: number };
  leases: number;
}

let cluster: LocalCluster;

beforeAll(async () => {
  // One machine alone: rounds must not wait for others.
  cluster = await LocalCluster.start({ slotWait: '2s' });
});

async function steer(who: string, ...args: string[]): Promise<Status> {
  const { code, lines, report } = await cluster.cli(['worker', ...args], { home: who, cwd: cluster.dir });
  expect(code, report).toBe(0);
  return (lines[0] as Line & { status: Status }).status;
}

/** The control groups of what this machine builds now. */
async function groups(who: string): Promise<string[]> {
  const notes = join(cluster.home(who), 'sandbox', 'sandbox');
  const names = await readdir(notes).catch(() => []);
  const all = await Promise.all(
    names.map((name) => readFile(join(notes, name), 'utf8').then(JSON.parse, () => ({ directories: [] }))),
  );
  return all.flatMap(({ directories }: { directories: string[] }) => directories);
}

/** Processors a group may keep busy, as the kernel holds it. */
async function quota(directories: readonly string[]): Promise<number> {
  for (const directory of directories) {
    const v2 = join(directory, 'cpu.max');
    const v1 = join(directory, 'cpu.cfs_quota_us');
    if (existsSync(v2)) return Number((await readFile(v2, 'utf8')).split(' ')[0]) / 100_000;
    if (existsSync(v1)) return Number(await readFile(v1, 'utf8')) / 100_000;
  }
  throw new Error(`no quota in ${directories.join(', ')}`);
}

/** Waits until the build of this worker is in its sandbox and at work. */
async function building(who: string): Promise<string[]> {
  await held.reached(1);
  const directories = await groups(who);
  expect(directories.length).toBeGreaterThan(0);
  await until('a busy build', async () => (await steer(who, 'status')).using.processorSeconds > 0.02);
  return directories;
}

/** The kernel's word that a group stands still, in either version. */
async function isFrozen(directories: readonly string[]): Promise<boolean> {
  for (const directory of directories) {
    const v2 = await readFile(join(directory, 'cgroup.events'), 'utf8').catch(() => '');
    const v1 = await readFile(join(directory, 'freezer.state'), 'utf8').catch(() => '');
    if (/^frozen 1$/m.test(v2) || v1.startsWith('FROZEN')) return true;
  }
  return false;
}

const submit = async (name: string): ReturnType<LocalCluster['submit']> =>
  cluster.submit(await cluster.git.commit(name, { 'quorate.yaml': busy }));

/** Its round would go on, and wait for other machines: for as long as slots wait, which may be over by then. */
async function withdraw({ run }: { run: string }): Promise<void> {
  const { code, error, report } = await cluster.cli(['cancel', run, '--reason', 'it was built']);
  expect([0, 'RUN_OVER'], report).toContain(code === 0 ? code : error);
}

it('an operator lends less, pauses and goes on under a running build', async () => {
  await cluster.volunteer('ada', '--cpus', '2');
  expect(await steer('ada', 'status')).toMatchObject({ state: 'working', reason: null, builds: [] });
  const run = await submit('steered');
  const directories = await building('ada');
  expect(await quota(directories)).toBe(2);
  expect(await steer('ada', 'limits', '--cpus', '1')).toMatchObject({ lending: { cpus: 1 } });
  expect(await quota(directories)).toBe(1);

  expect(await steer('ada', 'pause')).toMatchObject({ state: 'paused', reason: 'paused by its operator' });
  await until('a build that stands still', () => isFrozen(directories));
  const { using, builds } = await steer('ada', 'status');
  expect(builds).toMatchObject([{ job: 'build' }]);
  // While others work, it uses nothing.
  await cluster.cli(['jobs']);
  expect((await steer('ada', 'status')).using.processorSeconds).toBe(using.processorSeconds);

  expect(await steer('ada', 'resume')).toMatchObject({ state: 'working', reason: null });
  const before = using.processorSeconds;
  await until('going on', async () => (await steer('ada', 'status')).using.processorSeconds > before);
  await held.open();
  expect(await run.event('delivered')).toMatchObject({ operator: 'ada' });
  expect(directories.some(existsSync)).toBe(false);
  await withdraw(run);
  expect(await steer('ada', 'limits', '--cpus', '2')).toMatchObject({ lending: { cpus: 2 } });
});

it('while it is paused nothing new is begun, and afterwards it is', async () => {
  await steer('ada', 'pause');
  const ada = cluster.worker('ada');
  const since = ada.mark();
  const run = await submit('later');
  await ada.event('offer', { since });
  expect(await steer('ada', 'status')).toMatchObject({ builds: [] });
  const resumed = Date.now();
  await steer('ada', 'resume');
  await held.reached(1);
  await held.open();
  expect(await run.event('delivered')).toMatchObject({ operator: 'ada' });
  for (const { at } of run.all('leased')) expect(at).toBeGreaterThanOrEqual(resumed);
  await withdraw(run);
});

it('between builds one sandbox waits for the next, and is gone once the terms change', async () => {
  const none = async () => (await groups('ada')).length === 0;
  await until('a sandbox that waits', async () => !(await none()));
  expect(await steer('ada', 'status')).toMatchObject({ state: 'working', builds: [] });
  const waiting = await groups('ada');
  await steer('ada', 'limits', '--cpus', '2');
  await until('no sandbox', none);
  expect(waiting.some(existsSync)).toBe(false);
});

it('drains: finishes what it builds, and then ends by itself', async () => {
  await until('no lease', async () => (await steer('ada', 'status')).leases === 0);
  const run = await submit('drained');
  await building('ada');
  expect(await steer('ada', 'drain')).toMatchObject({ state: 'draining', leases: 1 });
  await held.open();
  expect(await run.event('delivered')).toMatchObject({ operator: 'ada' });
  const { code } = await cluster.worker('ada').end();
  expect(code).toBe(0);
  const gone = await cluster.cli(['worker', 'status'], { home: 'ada', cwd: cluster.dir });
  expect(gone).toMatchObject({ code: 3, error: 'PROCESS_NOT_RUNNING' });
});

it('stops at once, also while it is paused, and leaves nothing behind', async () => {
  const ben = await cluster.volunteer('ben', '--cpus', '2');
  await submit('stopped');
  const directories = await building('ben');
  await steer('ben', 'pause');
  const { code, lines } = await cluster.cli(['worker', 'stop'], { home: 'ben', cwd: cluster.dir });
  expect(code).toBe(0);
  expect(lines).toHaveLength(1);
  expect((await ben.end()).code).toBe(0);
  expect(directories.filter(existsSync)).toEqual([]);
  expect(await readdir(join(cluster.home('ben'), 'control'))).toEqual([]);
  const folders = async () => (await readdir(cluster.home('ben'))).filter((name) => name.startsWith('tmp-'));
  await expect.poll(folders).toEqual([]);
});

it('worker.toml says what is lent and when; a mistake in it is told with its line', async () => {
  const file = join(cluster.home('ben'), 'worker.toml');
  const now = new Date();
  const hour = (more: number): string => String((now.getHours() + more) % 24).padStart(2, '0');
  await writeFile(file, `[lend]\nmemory = "768MiB"\n\n[when]\nhours = ["${hour(2)}:00-${hour(3)}:00"]\n`);
  const ben = await cluster.join('ben', undefined, ['--jobs', '1']);
  await ben.event('connected');
  expect(await steer('ben', 'status')).toMatchObject({
    state: 'waiting',
    reason: 'outside the hours of its operator',
    lending: { memoryBytes: 768 * 2 ** 20 },
  });
  await ben.stop();

  const owner = '12D3KooWLPQ43ca4k9hZatuhurWJzD8729xhxf5KFWiXijqzAQfa';
  const cases: [text: string, code: number, error: string, says: RegExp][] = [
    [`[serve]\nprojects = ["${owner}"]\n`, 2, 'PROJECT_NOT_SERVED', /under \[serve\]/],
    [
      '[lend]\njobs = 4\ncpus = 1\n',
      2,
      'LIMITS_INVALID',
      /worker\.toml:2: lend\.jobs: 4 at once need as many cpus; 1 is lent/,
    ],
    [
      '[lend]\ncpus = 4000\n',
      2,
      'LIMITS_INVALID',
      /worker\.toml:2: lend\.cpus: 4000 is more than this host has/,
    ],
    ['[sandbox]\ntiers = ["vmm"]\n', 2, 'WORKER_FILE_INVALID', /worker.toml:2: sandbox.tiers/],
  ];
  for (const [text, code, error, says] of cases) {
    await writeFile(file, text);
    const refused = await cluster.cli(['join', '--yes', '--tier', 'namespace'], {
      home: 'ben',
      cwd: cluster.dir,
    });
    expect(refused).toMatchObject({ code, error });
    expect(JSON.stringify(refused.lines)).toMatch(says);
    if (error.startsWith('PROJECT')) continue;
    const checked = await cluster.cli(['join', '--check-config'], { home: 'ben', cwd: cluster.dir });
    expect(checked).toMatchObject({ code, error });
  }
  await writeFile(file, `[serve]\nprojects = ["${cluster.project}"]\n[network]\nup = "1MiB/s"\n`);
  const right = await cluster.cli(['join', '--check-config'], { home: 'ben', cwd: cluster.dir });
  expect(right).toMatchObject({
    code: 0,
    lines: [{ rules: { serve: [cluster.project], upBytes: 2 ** 20 } }],
  });
  const served = await cluster.join('ben', undefined, ['--jobs', '1']);
  expect(await steer('ben', 'limits', '--up', 'none', '--cpu-time', '1h')).toMatchObject({
    lending: { upBytes: null, processorSeconds: 3600 },
  });
  // Disk follows memory while nobody set it apart.
  expect(await steer('ben', 'limits', '--memory', '512MiB')).toMatchObject({
    lending: { memoryBytes: 512 * 2 ** 20, diskBytes: 512 * 2 ** 20 },
  });
  await served.stop();

  await writeFile(file, '[lend]\nmemroy = "768MiB"\n');
  const wrong = await cluster.cli(['join', '--yes'], { home: 'ben', cwd: cluster.dir });
  expect(wrong).toMatchObject({ code: 2, error: 'WORKER_FILE_INVALID' });
  expect(JSON.stringify(wrong.lines)).toContain('worker.toml:2: there is no \\"memroy\\" in [lend]');
  expect(JSON.stringify(wrong.lines)).toContain('Did you mean \\"memory\\"?');
});
