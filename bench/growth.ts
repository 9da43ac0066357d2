import type { JobSpec } from '../src/jobfile/index.ts';
import { parseJobFile } from '../src/jobfile/index.ts';
import { LogCopy } from '../src/protocol/sessions/log-copy.ts';
import { emptyJob, type LiveProject, spent, volunteers } from '../test/e2e/support/live-project.ts';
import { costOfRuns } from '../test/e2e/support/run-cost.ts';
import { sleep } from '../test/e2e/support/wait.ts';
import { openProject } from './course.ts';
import { processorSeconds } from './processes.ts';
import { type Bench, median, type Suite } from './run.ts';

const secondsMax = 1_800;
const runs = 40;
/** Builds of each worker before it is measured: a program is faster once its code is compiled. */
const warmBuilds = 32;
const workersMany = 30;
/** A run of three builds and a trusted one. */
const buildsOfRun = volunteers.length + 1;
const quietMs = 2_000;

/** Leaves that a run adds to the log: offer, four receipts, two verdicts. */
const leavesOfRun = 7;
const few = 10;
const many = 10_000;

const heavy = {
  '1 MB of log': "yes 'a line of a log, as long as many' | head -c 1000000",
  '10 MB of outputs': 'seq 10000000 | head -c 10000000 >"$OUT/file"',
};
const aims = { '1 MB of log': 25, '10 MB of outputs': 70 };

function jobOf(run: string): JobSpec {
  const text = emptyJob.replace(/run: .*/, `run: ${JSON.stringify(['date +began=%s%N', run])}`);
  const [job] = parseJobFile(text, 'quorate.yaml').jobs;
  if (job === undefined) throw new Error('the job file has no job');
  return job;
}

/** The same runs with three workers connected and with many. */
async function workers(bench: Bench, project: LiveProject, signal: AbortSignal): Promise<void> {
  const commit = await project.newCommit(signal);
  await project.runs(commit, { count: warmBuilds, atOnce: 4 }, signal);
  const alone = await costOfRuns(project, commit, runs, signal);
  for (let n = volunteers.length; n < workersMany; n += 1) await project.cluster.volunteer(`more${n}`);
  // As many builds for each as before, however many there are: lots are drawn.
  const count = Math.ceil((warmBuilds * workersMany) / volunteers.length);
  await project.runs(commit, { count, atOnce: 8 }, signal);
  const beside = await costOfRuns(project, commit, runs, signal);
  const fewer = `ms, ${volunteers.length} workers`;
  const among = `${workersMany} workers connected`;
  bench.figure(`a run, nodes that take part in it, ${among}`, beside.involved, 'ms', {
    beside: [fewer, alone.involved],
    under: 1.15,
  });
  for (const part of ['controller', 'trusted', 'builder'] as const)
    bench.figure(`of that, ${part}, ${among}`, beside[part], 'ms', { beside: [fewer, alone[part]] });
  bench.figure(`a run, a worker that takes no part in it, ${among}`, beside.idle, 'ms');
  bench.figure(`a worker at rest, ${among}`, beside.rest, 'ms a second');
}

/** Processor and wall time of a job and of an empty one, in ms, measured in pairs. */
async function bytes(bench: Bench, project: LiveProject, signal: AbortSignal): Promise<void> {
  const commit = await project.newCommit(signal);
  const cost = async (job?: JobSpec): Promise<number> => {
    const before = await project.used();
    await project.runs(commit, { count: 4, ...(job && { job }) }, signal);
    await sleep(quietMs);
    return spent(before, await project.used()) / 4 / buildsOfRun;
  };
  for (const [what, run] of Object.entries(heavy) as [keyof typeof heavy, string][]) {
    const job = jobOf(run);
    await cost(job);
    const added: number[] = [];
    for (let round = 0; round < 3; round += 1) added.push(-(await cost()) + (await cost(job)));
    bench.figure(`${what} a build, added`, median(added), 'ms', { under: aims[what] });
  }
}

/** Milliseconds that a trusted worker's copy of the log takes for a co-signature, after so many runs. */
async function logWork(after: number): Promise<number> {
  const leaf = (n: number): string =>
    `receipt ${String(n).padStart(64, '0')} offer ${String(n % 9_973).padStart(64, '0')}`;
  const lines = Array.from({ length: after * leavesOfRun }, (_, n) => leaf(n));
  const copy = new LogCopy({ load: async () => lines, append: async () => {} });
  let size = lines.length;
  const cosign = async (): Promise<void> => {
    const fresh = Array.from({ length: leavesOfRun }, (_, n) => leaf(size + n));
    const read = size;
    size += leavesOfRun;
    const view = await copy.read(size, async (from) => fresh.slice(from - read));
    view.root();
    for (let n = 0; n < buildsOfRun; n += 1) view.receipts(String(n).padStart(64, '0'));
    view.withheld(() => true);
    view.charterBefore(size);
    await copy.keep(view);
  };
  await cosign();
  const times = 200;
  const took = await processorSeconds(async () => {
    for (let n = 0; n < times; n += 1) await cosign();
  });
  return (1000 * took) / times;
}

async function run(bench: Bench): Promise<void> {
  const signal = AbortSignal.timeout(secondsMax * 1000);
  const early = await logWork(few);
  const late = await logWork(many);
  const project = await openProject(bench, signal);
  await bytes(bench, project, signal);
  const commit = await project.newCommit(signal);
  const { trusted } = await costOfRuns(project, commit, runs, signal);
  bench.figure(`log of a co-signature, after ${many} runs`, late, 'ms', {
    beside: [`ms, after ${few}`, early],
  });
  bench.figure(`a run of the trusted worker, after ${many}`, trusted + late - early, 'ms', {
    beside: [`ms, after ${few}`, trusted],
    under: 1.1,
    note: 'the log is what grows: measured by itself',
  });
  await workers(bench, project, signal);
}

export const suite: Suite = {
  what: `what a run costs beside ${workersMany} workers, after ${many} runs, with logs and outputs`,
  secondsMax,
  run,
};
