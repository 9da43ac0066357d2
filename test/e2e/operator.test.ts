import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { Cluster } from './support/cluster.ts';
import type { Line } from './support/processes.ts';
import { sleep, until } from './support/wait.ts';

/** Keeps two processors as busy as it may for a while, and says that it lives. */
const busy = (seconds: number): string => `jobs:
  build:
    image: host
    run:
      - |
        end=$(($(date +%s) + ${seconds}))
        (while [ $(date +%s) -lt $end ]; do :; done) &
        while [ $(date +%s) -lt $end ]; do echo tick; sleep 0.1; done
        wait
        echo built > "$OUT/out"
    outputs: [out]
    limits: {cpus: 2, memory: 256MiB, disk: 64MiB, time: 2m}
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

let cluster: Cluster;

beforeAll(async () => {
  // One machine alone: rounds must not wait for others.
  cluster = await Cluster.start({ slotWait: '2s' });
}, 60_000);

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

/** Waits until the build of this worker is in its sandbox. */
const building = (who: string): Promise<string[]> =>
  until('a build', async () => {
    const directories = await groups(who);
    const { using } = await steer(who, 'status');
    return using.processorSeconds > 0.2 && directories.length > 0 ? directories : undefined;
  });

/** A machine that is not there yet takes no job that was published before. */
async function submit(name: string, seconds: number): Promise<Awaited<ReturnType<Cluster['submit']>>> {
  return cluster.submit(await cluster.git.commit(name, { 'quorate.yaml': busy(seconds) }));
}

it('an operator lends less, pauses and goes on under a running build', async () => {
  await cluster.volunteer('ada', '--cpus', '2');
  expect(await steer('ada', 'status')).toMatchObject({ state: 'working', reason: null, builds: [] });
  const run = await submit('steered', 8);
  const directories = await building('ada');
  expect(await quota(directories)).toBe(2);
  expect(await steer('ada', 'limits', '--cpus', '1')).toMatchObject({ lending: { cpus: 1 } });
  expect(await quota(directories)).toBe(1);

  expect(await steer('ada', 'pause')).toMatchObject({ state: 'paused', reason: 'paused by its operator' });
  await sleep(300);
  const before = (await steer('ada', 'status')).using.processorSeconds;
  await sleep(1_000);
  const { using, builds } = await steer('ada', 'status');
  expect(builds).toMatchObject([{ job: 'build' }]);
  expect(using.processorSeconds - before).toBeLessThan(0.05);

  expect(await steer('ada', 'resume')).toMatchObject({ state: 'working', reason: null });
  await until('going on', async () => (await steer('ada', 'status')).using.processorSeconds > before + 0.2);
  expect(await run.event('delivered')).toMatchObject({ operator: 'ada' });
  expect(directories.some(existsSync)).toBe(false);
  expect(await steer('ada', 'limits', '--cpus', '2')).toMatchObject({ lending: { cpus: 2 } });
});

it('while it is paused nothing new is begun, and afterwards it is', async () => {
  await steer('ada', 'pause');
  const run = await submit('later', 1);
  await sleep(1_500);
  expect(run.all('leased')).toEqual([]);
  await steer('ada', 'resume');
  expect(await run.event('delivered')).toMatchObject({ operator: 'ada' });
});

it('drains: finishes what it builds, and then ends by itself', async () => {
  const run = await submit('drained', 8);
  await building('ada');
  expect(await steer('ada', 'drain')).toMatchObject({ state: 'draining', leases: 1 });
  expect(await run.event('delivered')).toMatchObject({ operator: 'ada' });
  const { code } = await cluster.worker('ada').end(20_000);
  expect(code).toBe(0);
  const gone = await cluster.cli(['worker', 'status'], { home: 'ada', cwd: cluster.dir });
  expect(gone).toMatchObject({ code: 3, error: 'WORKER_NOT_RUNNING' });
});

it('stops at once, also while it is paused, and leaves nothing behind', async () => {
  const ben = await cluster.volunteer('ben', '--cpus', '2');
  await submit('stopped', 60);
  const directories = await building('ben');
  await steer('ben', 'pause');
  const { code, lines } = await cluster.cli(['worker', 'stop'], { home: 'ben', cwd: cluster.dir });
  expect(code).toBe(0);
  expect(lines).toHaveLength(1);
  expect((await ben.end(8_000)).code).toBe(0);
  expect(directories.filter(existsSync)).toEqual([]);
  expect(await readdir(join(cluster.home('ben'), 'control'))).toEqual([]);
  expect((await readdir(cluster.home('ben'))).filter((name) => name.startsWith('tmp-'))).toEqual([]);
});

it('killed while its build stands still, the next start sweeps it away', async () => {
  const ben = await cluster.join('ben', undefined, ['--cpus', '2']);
  await ben.event('connected');
  await submit('killed', 60);
  const directories = await building('ben');
  const pids = (await readFile(join(directories[0] ?? '', 'cgroup.procs'), 'utf8'))
    .split('\n')
    .filter(Boolean);
  expect(pids.length).toBeGreaterThan(0);
  await steer('ben', 'pause');
  await ben.kill();
  const again = await cluster.join('ben');
  expect(directories.filter(existsSync)).toEqual([]);
  await until('the end of its processes', () => pids.every((pid) => !existsSync(`/proc/${pid}`)), 10_000);
  expect(await steer('ben', 'status')).toMatchObject({ state: 'working', builds: [] });
  await again.stop();
});

it('worker.toml says what is lent and when; a mistake in it is told with its line', async () => {
  const file = join(cluster.home('ben'), 'worker.toml');
  const now = new Date();
  const hour = (more: number): string => String((now.getHours() + more) % 24).padStart(2, '0');
  await writeFile(file, `[lend]\nmemory = "768MiB"\n\n[when]\nhours = ["${hour(2)}:00-${hour(3)}:00"]\n`);
  const ben = await cluster.join('ben');
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
      'LIMITS_CONTRADICT',
      /worker\.toml:2: lend\.jobs: 4 at once need as many cpus; 1 is lent/,
    ],
    [
      '[lend]\ncpus = 4000\n',
      2,
      'LIMITS_ABOVE_MACHINE',
      /worker\.toml:2: lend\.cpus: 4000 is more than this machine has/,
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
  const served = await cluster.join('ben');
  expect(await steer('ben', 'limits', '--up', 'none', '--cpu-time', '1h')).toMatchObject({
    lending: { upBytes: null, processorSeconds: 3600 },
  });
  await served.stop();

  await writeFile(file, '[lend]\nmemroy = "768MiB"\n');
  const wrong = await cluster.cli(['join', '--yes'], { home: 'ben', cwd: cluster.dir });
  expect(wrong).toMatchObject({ code: 2, error: 'WORKER_FILE_UNKNOWN_KEY' });
  expect(JSON.stringify(wrong.lines)).toContain('worker.toml:2: there is no \\"memroy\\" in [lend]');
  expect(JSON.stringify(wrong.lines)).toContain('Did you mean \\"memory\\"?');
});
