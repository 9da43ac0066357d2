import type { Progress } from '../src/core/controller/events.ts';
import type { JobSpec } from '../src/jobfile/index.ts';
import { parseJobFile } from '../src/jobfile/index.ts';
import { type Client, openClient, ownerMembership } from '../src/runtime/client.ts';
import { openHome } from '../src/runtime/home.ts';
import { openProjectFolder } from '../src/runtime/owner.ts';
import { type Prepared, prepare } from '../src/runtime/submit.ts';
import { Cluster } from '../test/e2e/support/cluster.ts';
import { jobFile } from '../test/e2e/support/jobs.ts';
import { endAll } from '../test/e2e/support/processes.ts';
import { type Bench, median, type Suite } from './run.ts';

const volunteers = ['ada', 'ben', 'cleo'];
const warmRounds = 15;

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
  readonly #url: string;
  readonly #prepared: Prepared;
  readonly #job: JobSpec;

  constructor(client: Client, url: string, prepared: Prepared, job: JobSpec) {
    this.#client = client;
    this.#url = url;
    this.#prepared = prepared;
    this.#job = job;
  }

  submit(): Promise<{ run: string }> {
    const { ref, commit, tree } = this.#prepared;
    return this.#client.submit({
      repo: { url: this.#url, ref },
      commit,
      tree,
      job: this.#job,
      policy: this.#job.trust,
      expiresSeconds: 3600,
    });
  }

  async course(signal: AbortSignal): Promise<Course> {
    const started = performance.timeOrigin + performance.now();
    const { run } = await this.submit();
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

async function run(bench: Bench): Promise<void> {
  bench.after(endAll);
  const cluster = await Cluster.start({ volunteers, trusted: true });
  const signal = AbortSignal.timeout(300_000);
  const url = await cluster.git.commit('empty', { 'quorate.yaml': empty });
  const home = openHome(cluster.home('owner'));
  const folder = await openProjectFolder(cluster.projectDir);
  const client = await openClient({ home, membership: await ownerMembership(home, folder, signal), signal });
  bench.after(() => client.close());
  const prepared = await prepare({ url, ref: 'main', signal });
  const [job] = parseJobFile(empty, 'quorate.yaml').jobs;
  if (job === undefined) throw new Error('the job file has no job');
  const project = new Project(client, url, prepared, job);

  const cold = await project.course(signal);
  process.stderr.write(`${JSON.stringify(cold)}\n`);
  const warm: Course[] = [];
  for (let round = 0; round < warmRounds; round += 1) {
    const course = await project.course(signal);
    process.stderr.write(`${JSON.stringify(course)}\n`);
    warm.push(course);
    await new Promise((resolve) => setTimeout(resolve, 700));
  }
  const p50 = (of: keyof Course): number => median(warm.map((course) => course[of]));
  bench.figure('run to the first build process', p50('began'), 'ms', { aim: { under: 50 } });
  bench.figure('run to trusted', p50('trusted'), 'ms', { aim: { under: 150 } });
}

export const suite: Suite = {
  what: 'three workers, a trusted worker and a controller, each a process; empty builds',
  secondsMax: 300,
  run,
};
