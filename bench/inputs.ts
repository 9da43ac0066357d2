import type { JobSpec } from '../src/jobfile/index.ts';
import { parseJobFile } from '../src/jobfile/index.ts';
import { type Client, openClient } from '../src/member/client.ts';
import { ownerMembership } from '../src/member/owner-membership.ts';
import { type Prepared, prepare } from '../src/member/submit.ts';
import { openHome } from '../src/node/membership/home.ts';
import { openProjectFolder } from '../src/owner/project-folder.ts';
import type { Policy, Request } from '../src/protocol/documents/index.ts';
import { Cluster } from '../test/e2e/support/cluster.ts';
import { processorMs } from '../test/e2e/support/proc-files.ts';
import { endAll } from '../test/e2e/support/processes.ts';
import { sleep } from '../test/e2e/support/wait.ts';
import makeProgram from '../test/support/make-program.ts';
import { type Bench, median } from './run.ts';

const volunteers = ['ada', 'ben', 'cleo'];
const read = ['one', 'two', 'three'];
const rounds = 5;
const quietMs = 1_000;
const secondsMax = 800;

/** A build's work beside its start: nothing, and about a second of a processor. */
const works = {
  'an empty build': 'true',
  'a build of a second': 'head -c 1000000000 /dev/zero | sha256sum >$OUT/sum',
};

const job = (name: string, run: string): string =>
  `  ${name}:
    run: [${JSON.stringify(run)}]
    limits: {cpus: 1, memory: 256MiB, disk: 64MiB, time: 5m}
`;
/** A few files of ten kilobytes each. */
const small = (name: string): string =>
  job(name, `for n in 1 2 3 4 5; do yes ${name} $n | head -c 10000 >$OUT/$n; done`);
const jobFile = `jobs:\n${read.map(small).join('')}${Object.values(works)
  .map((run, n) => job(`work-${n}`, run))
  .join('')}`;

interface Cost {
  /** From its submission until it was trusted. */
  ms: number;
  /** Processor time of controller and workers, their builds included. */
  processorMs: number;
}

class Project {
  readonly #client: Client;
  readonly #cluster: Cluster;
  readonly #url: string;
  readonly #commit: Prepared;
  readonly #signal: AbortSignal;

  constructor(client: Client, cluster: Cluster, url: string, commit: Prepared, signal: AbortSignal) {
    this.#client = client;
    this.#cluster = cluster;
    this.#url = url;
    this.#commit = commit;
    this.#signal = signal;
  }

  /** Returns once the run is trusted. */
  async run(spec: JobSpec, needs?: Request['needs']): Promise<string> {
    const { ref, commit, tree } = this.#commit;
    const policy: Policy = spec.trust;
    const { run } = await this.#client.submit({
      ...{ repo: { url: this.#url, ref }, commit, tree, job: spec, policy, expiresSeconds: 3600 },
      ...(needs !== undefined && { needs }),
    });
    for await (const { progress } of this.#client.follow(run, this.#signal))
      if (progress.kind === 'verdict' && progress.level === 'trusted') return run;
    throw new Error(`run ${run} did not become trusted`);
  }

  async #used(): Promise<number> {
    const nodes = [this.#cluster.control, ...this.#cluster.workers.values()];
    const each = await Promise.all(nodes.map(({ pid }) => processorMs(pid)));
    return each.reduce((sum, ms) => sum + ms, 0);
  }

  async cost(spec: JobSpec, needs?: Request['needs']): Promise<Cost> {
    const [before, began] = [await this.#used(), performance.now()];
    await this.run(spec, needs);
    const ms = performance.now() - began;
    // Storing logs and bundles after a verdict is a part of the cost: it ends before the next job begins.
    await sleep(quietMs);
    return { ms, processorMs: (await this.#used()) - before };
  }
}

async function open(bench: Bench, signal: AbortSignal): Promise<Project> {
  makeProgram();
  bench.after(endAll);
  const cluster = await Cluster.start({ volunteers, trusted: true });
  const url = await cluster.git.commit('inputs', { 'quorate.yaml': jobFile });
  const home = openHome(cluster.home('owner'));
  const folder = await openProjectFolder(cluster.projectDir);
  const client = await openClient({ home, membership: await ownerMembership(home, folder, signal), signal });
  bench.after(() => client.close());
  return new Project(client, cluster, url, await prepare({ url, ref: 'main', signal }), signal);
}

/** The same build with three small inputs and without any, in pairs. */
export async function inputs(bench: Bench): Promise<void> {
  const signal = AbortSignal.timeout(secondsMax * 1000);
  const project = await open(bench, signal);
  const { jobs } = parseJobFile(jobFile, 'quorate.yaml');
  const named = (name: string): JobSpec => {
    const found = jobs.find((spec) => spec.name === name);
    if (found === undefined) throw new Error(`the job file has no ${name}`);
    return found;
  };
  const needs: NonNullable<Request['needs']> = {};
  for (const name of read) needs[name] = { request: await project.run(named(name)), level: 'trusted' };
  for (const [n, what] of Object.keys(works).entries()) {
    const spec = named(`work-${n}`);
    const [plain, reading]: [Cost[], Cost[]] = [[], []];
    for (let round = 0; round <= rounds; round += 1) {
      plain.push(await project.cost(spec));
      reading.push(await project.cost(spec, needs));
    }
    for (const key of ['ms', 'processorMs'] as const) {
      // The first of each fetches the source, and the inputs.
      const [without = Number.NaN, with3 = Number.NaN] = [plain, reading].map((all) =>
        median(all.slice(1).map((cost) => cost[key])),
      );
      const name = key === 'ms' ? 'until it is trusted' : 'processor time of all nodes';
      bench.figure(`${what} with three small inputs, ${name}`, with3, 'ms', {
        reference: { name: 'ms without', value: without },
        ...(n > 0 && { aim: { under: 1.1 } }),
      });
    }
  }
}
