import { type LiveProject, spent, volunteers } from '../test/e2e/support/live-project.ts';
import { sleep } from '../test/e2e/support/wait.ts';
import { type Course, course, crowdOf, openProject } from './course.ts';
import { type Bench, median, type Suite, seconds } from './run.ts';

const warmRounds = 10;
const crowd = 40;
const quietMs = 1_000;
const secondsMax = 300;

/** In ms. */
const courseAims = {
  'a new commit': { began: 90, trusted: 170 },
  'the same commit': { began: 45, trusted: 110 },
};

/** Of each step, so that it shows where the time goes. */
const steps: Record<string, [keyof Course | undefined, keyof Course]> = {
  'submitted, verified, in the journal': [undefined, 'accepted'],
  'gossip, window, claims, leases': ['accepted', 'allLeased'],
  'source, sandbox, first of three': ['allLeased', 'began'],
  'the other two, and back': ['began', 'delivered'],
  'bytes fetched, evidence checked again, co-signed': ['delivered', 'trusted'],
};

async function latency(bench: Bench, project: LiveProject, signal: AbortSignal): Promise<void> {
  const cold = await course(project, await project.newCommit(signal), signal);
  bench.figure('run to the first build process, first', cold.began, 'ms');
  bench.figure('run to trusted, first', cold.trusted, 'ms');
  const same = await project.newCommit(signal);
  await course(project, same, signal);
  const courses = { 'a new commit': [] as Course[], 'the same commit': [] as Course[] };
  for (let round = 0; round < warmRounds; round += 1) {
    for (const [which, taken] of Object.entries(courses)) {
      const commit = which === 'a new commit' ? await project.newCommit(signal) : same;
      taken.push(await course(project, commit, signal));
      // The work that follows a verdict (logs kept, proofs spread) is over before the next.
      await sleep(quietMs);
    }
  }
  for (const [which, taken] of Object.entries(courses) as [keyof typeof courses, Course[]][]) {
    const aims = courseAims[which];
    const p50 = (of: keyof Course): number => median(taken.map((course) => course[of]));
    bench.figure(`run to the first build process, ${which}`, p50('began'), 'ms', { under: aims.began });
    bench.figure(`run to all three, ${which}`, p50('allBegan'), 'ms');
    bench.figure(`run to trusted, ${which}`, p50('trusted'), 'ms', { under: aims.trusted });
    for (const [what, [from, to]] of Object.entries(steps)) {
      const step = median(taken.map((course) => course[to] - (from === undefined ? 0 : course[from])));
      bench.figure(`of that, ${what}, ${which}`, step, 'ms');
    }
  }
}

/** Many runs at once: each worker builds one job after the other. */
async function throughput(bench: Bench, project: LiveProject, signal: AbortSignal): Promise<void> {
  const commit = await project.newCommit(signal);
  const before = await project.used();
  const took = await seconds(() => crowdOf(project, crowd, commit, signal));
  const after = await project.used();
  const perRun = (of?: (name: string) => boolean): number => spent(before, after, of) / crowd;
  bench.figure('runs of 3 + 1 builds', crowd / took, 'runs/s', { over: 9 });
  bench.figure('processor time of a run, all processes', perRun(), 'ms', { under: 180 });
  bench.figure(
    'of that the controller',
    perRun((name) => name === 'controller'),
    'ms',
    { under: 35 },
  );
  const workers = volunteers.map((name) => perRun((node) => node === name));
  bench.figure('of that a worker, its build included', median(workers), 'ms');
}

async function run(bench: Bench): Promise<void> {
  const signal = AbortSignal.timeout(secondsMax * 1000);
  const project = await openProject(bench, signal);
  await latency(bench, project, signal);
  await throughput(bench, project, signal);
}

export const suite: Suite = {
  what: 'three workers, a trusted worker and a controller, each a process; empty builds',
  secondsMax,
  run,
};
