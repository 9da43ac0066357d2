import type { Progress } from '../src/core/controller/events.ts';
import type { JobSpec } from '../src/jobfile/index.ts';
import { parseJobFile } from '../src/jobfile/index.ts';
import { type Client, openClient, ownerMembership } from '../src/runtime/client/client.ts';
import { type Prepared, prepare } from '../src/runtime/client/submit.ts';
import { openHome } from '../src/runtime/membership/home.ts';
import { openProjectFolder } from '../src/runtime/membership/project-folder.ts';
import { Cluster } from '../test/e2e/support/cluster.ts';
import { jobFile } from '../test/e2e/support/jobs.ts';
import { endAll } from '../test/e2e/support/processes.ts';
import { sleep } from '../test/e2e/support/wait.ts';
import makeProgram from '../test/support/make-program.ts';
import { memoryMb, processorMs } from './processes.ts';
import { type Bench, median, type Suite, seconds } from './run.ts';

const volunteers = ['ada', 'ben', 'cleo'];
const warmRounds = 10;
const crowd = 40;
const quietMs = 1_000;
const secondsMax = 300;

/** An empty build that says when it began, in ns since the epoch. */
const empty = jobFile({ run: ['date +began=%s%N'], outputs: ['.'], time: '1m' });

/** When a run got where, in ms after it was submitted. */
interface Course {
  accepted: number;
  leased: number;
  allLeased: number;
  began: number;
  allBegan: number;
  delivered: number;
  agreed: number;
  trusted: number;
}

class Project {
  readonly #client: Client;
  readonly #cluster: Cluster;
  readonly #url: string;
  readonly #job: JobSpec;
  #commits = 0;

  constructor(client: Client, cluster: Cluster, url: string, job: JobSpec) {
    this.#client = client;
    this.#cluster = cluster;
    this.#url = url;
    this.#job = job;
  }

  /** One that no worker has seen. */
  async newCommit(signal: AbortSignal): Promise<Prepared> {
    this.#commits += 1;
    await this.#cluster.git.commit('empty', { number: String(this.#commits) });
    return prepare({ url: this.#url, ref: 'main', signal });
  }

  submit({ ref, commit, tree }: Prepared): Promise<{ run: string }> {
    return this.#client.submit({
      repo: { url: this.#url, ref },
      commit,
      tree,
      job: this.#job,
      policy: this.#job.trust,
      expiresSeconds: 3600,
    });
  }

  async trusted(run: string, signal: AbortSignal): Promise<void> {
    for await (const { progress } of this.#client.follow(run, signal))
      if (progress.kind === 'verdict' && progress.level === 'trusted') return;
    throw new Error(`run ${run} did not become trusted`);
  }

  async course(commit: Prepared, signal: AbortSignal): Promise<Course> {
    const started = performance.timeOrigin + performance.now();
    const { run } = await this.submit(commit);
    const at = new Map<string, number[]>();
    const note = (what: string, when: number): unknown =>
      at.set(what, [...(at.get(what) ?? []), when - started]);
    for await (const { at: when, progress } of this.#client.follow(run, signal)) {
      note(milestone(progress), when);
      if (progress.kind === 'verdict' && progress.level === 'trusted') break;
    }
    for await (const { slot, text } of this.#client.logs(run, { follow: false, signal })) {
      const [, nanoseconds] = /began=(\d+)/.exec(text) ?? [];
      if (slot !== 'trusted' && nanoseconds !== undefined) note('began', Number(nanoseconds) / 1e6);
    }
    const first = (what: string): number => at.get(what)?.[0] ?? Number.NaN;
    const last = (what: string): number => Math.max(...(at.get(what) ?? [Number.NaN]));
    const began = at.get('began') ?? [];
    if (began.length !== volunteers.length) throw new Error(`${began.length} builds said when they began`);
    return {
      accepted: first('accepted'),
      leased: first('leased'),
      allLeased: last('leased'),
      began: Math.min(...began),
      allBegan: Math.max(...began),
      delivered: last('delivered'),
      agreed: first('agreed'),
      trusted: first('trusted'),
    };
  }
}

function milestone(progress: Progress): string {
  switch (progress.kind) {
    case 'verdict':
      return progress.level;
    case 'leased':
    case 'delivered':
      return progress.slot === 'trusted' ? `${progress.kind} trusted` : progress.kind;
    default:
      return progress.kind;
  }
}

/** Of each step, so that it shows where the time goes. */
const steps: Record<string, [keyof Course | undefined, keyof Course]> = {
  'submitted, verified, in the journal': [undefined, 'accepted'],
  'gossip, window, claims, leases': ['accepted', 'allLeased'],
  'source, sandbox, first of three': ['allLeased', 'began'],
  'the other two, and back': ['began', 'delivered'],
  'bytes fetched, evidence checked again, co-signed': ['delivered', 'trusted'],
};

async function open(bench: Bench, signal: AbortSignal): Promise<{ cluster: Cluster; project: Project }> {
  makeProgram();
  bench.after(endAll);
  const cluster = await Cluster.start({ volunteers, trusted: true });
  const url = await cluster.git.commit('empty', { 'quorate.yaml': empty });
  const home = openHome(cluster.home('owner'));
  const folder = await openProjectFolder(cluster.projectDir);
  const client = await openClient({ home, membership: await ownerMembership(home, folder, signal), signal });
  bench.after(() => client.close());
  const [job] = parseJobFile(empty, 'quorate.yaml').jobs;
  if (job === undefined) throw new Error('the job file has no job');
  return { cluster, project: new Project(client, cluster, url, job) };
}

async function latency(bench: Bench, project: Project, signal: AbortSignal): Promise<void> {
  const cold = await project.course(await project.newCommit(signal), signal);
  bench.figure('run to the first build process, first', cold.began, 'ms');
  bench.figure('run to trusted, first', cold.trusted, 'ms');
  const same = await project.newCommit(signal);
  await project.course(same, signal);
  const courses = { 'a new commit': [] as Course[], 'the same commit': [] as Course[] };
  for (let round = 0; round < warmRounds; round += 1) {
    for (const [which, taken] of Object.entries(courses)) {
      const commit = which === 'a new commit' ? await project.newCommit(signal) : same;
      taken.push(await project.course(commit, signal));
      // What follows a verdict (logs kept, proofs spread) is over before the next.
      await sleep(quietMs);
    }
  }
  for (const [which, taken] of Object.entries(courses)) {
    const p50 = (of: (course: Course) => number): number => median(taken.map(of));
    bench.figure(
      `run to the first build process, ${which}`,
      p50(({ began }) => began),
      'ms',
      {
        aim: { under: 50 },
      },
    );
    bench.figure(
      `run to all three, ${which}`,
      p50(({ allBegan }) => allBegan),
      'ms',
    );
    bench.figure(
      `run to trusted, ${which}`,
      p50(({ trusted }) => trusted),
      'ms',
      { aim: { under: 150 } },
    );
    for (const [what, [from, to]] of Object.entries(steps)) {
      const step = p50((course) => course[to] - (from === undefined ? 0 : course[from]));
      bench.figure(`of that, ${what}, ${which}`, step, 'ms');
    }
  }
}

/** Many runs at once: each worker builds one job after the other. */
async function throughput(
  bench: Bench,
  cluster: Cluster,
  project: Project,
  signal: AbortSignal,
): Promise<void> {
  const commit = await project.newCommit(signal);
  const nodes = [cluster.control, ...cluster.workers.values()].map(({ pid }) => pid);
  const used = (): Promise<number[]> => Promise.all(nodes.map(processorMs));
  const before = await used();
  const took = await seconds(async () => {
    const runs: string[] = [];
    while (runs.length < crowd) runs.push((await project.submit(commit)).run);
    for (const run of runs) await project.trusted(run, signal);
  });
  const after = await used();
  const perRun = after.map((ms, node) => (ms - (before[node] ?? Number.NaN)) / crowd);
  const [controller = Number.NaN, ...workers] = perRun;
  bench.figure('runs of 3 + 1 builds', crowd / took, 'runs/s', { aim: { over: 20 } });
  bench.figure('processor time of the controller', controller, 'ms a run', { aim: { under: 15 } });
  bench.figure('processor time of a worker, its build included', median(workers), 'ms a run');
}

async function run(bench: Bench): Promise<void> {
  const signal = AbortSignal.timeout(secondsMax * 1000);
  const { cluster, project } = await open(bench, signal);
  const idle = await memoryMb(cluster.worker('ada').pid);
  bench.figure('memory of an idle worker', idle.resident, 'MB', { aim: { under: 150 } });
  bench.figure('memory of an idle worker, its share', idle.proportional, 'MB');
  await latency(bench, project, signal);
  await throughput(bench, cluster, project, signal);
}

export const suite: Suite = {
  what: 'three workers, a trusted worker and a controller, each a process; empty builds',
  secondsMax,
  run,
};
