import type { JobSpec } from '../../../src/jobfile/index.ts';
import { parseJobFile } from '../../../src/jobfile/index.ts';
import { type Client, openClient } from '../../../src/member/client.ts';
import { ownerMembership } from '../../../src/member/owner-membership.ts';
import { type Prepared, prepare } from '../../../src/member/submit.ts';
import { openHome } from '../../../src/node/membership/home.ts';
import { openProjectFolder } from '../../../src/owner/project-folder.ts';
import type { Request } from '../../../src/protocol/documents/index.ts';
import { Cluster } from './cluster.ts';
import { jobFile } from './jobs.ts';
import { processorMs, writeCalls } from './proc-files.ts';

export const volunteers = ['ada', 'ben', 'cleo'];
/** Name of the trusted worker. */
export const tower = 'tower';
/** An empty build that says when it began, in ns since the epoch. */
export const emptyJob = jobFile({ run: ['date +began=%s%N'], outputs: ['.'], time: '1m' });

/** How much of something each node has used so far. */
export type Used = ReadonlyMap<string, number>;

/** A controller, three workers and a trusted worker, each a process, and a client that submits one job to them. */
export class LiveProject {
  readonly client: Client;
  readonly cluster: Cluster;
  readonly job: JobSpec;
  readonly #url: string;
  #commits = 0;

  private constructor(client: Client, cluster: Cluster, url: string, job: JobSpec) {
    this.client = client;
    this.cluster = cluster;
    this.#url = url;
    this.job = job;
  }

  /** The caller ends the processes (`endAll`), and closes the client before. */
  static async open(jobFile: string, signal: AbortSignal): Promise<LiveProject> {
    const cluster = await Cluster.start({ volunteers, trusted: true });
    const url = await cluster.git.commit('project', { 'quorate.yaml': jobFile });
    const home = openHome(cluster.home('owner'));
    const folder = await openProjectFolder(cluster.projectDir);
    const membership = await ownerMembership(home, folder, signal);
    const client = await openClient({ home, membership, signal });
    const [job] = parseJobFile(jobFile, 'quorate.yaml').jobs;
    if (job === undefined) throw new Error('the job file has no job');
    return new LiveProject(client, cluster, url, job);
  }

  /** One that no worker has seen. */
  async newCommit(signal: AbortSignal): Promise<Prepared> {
    this.#commits += 1;
    await this.cluster.git.commit('project', { number: String(this.#commits) });
    return prepare({ url: this.#url, ref: 'main', signal });
  }

  submit(
    { ref, commit, tree }: Prepared,
    job: JobSpec = this.job,
    needs?: Request['needs'],
  ): Promise<{ run: string }> {
    return this.client.submit({
      repo: { url: this.#url, ref },
      commit,
      tree,
      job,
      policy: job.trust,
      expiresSeconds: 3600,
      ...(needs !== undefined && { needs }),
    });
  }

  /** Resolves once the run is trusted, with the operators that built it. Errors: that it did not become so. */
  async trusted(run: string, signal: AbortSignal): Promise<string[]> {
    const operators: string[] = [];
    for await (const { progress } of this.client.follow(run, signal)) {
      if (progress.kind === 'leased' && progress.slot !== 'trusted') operators.push(progress.operator);
      if (progress.kind === 'verdict' && progress.level === 'trusted') return operators;
    }
    throw new Error(`run ${run} did not become trusted`);
  }

  /** Submits a commit `count` times, at most `atOnce` in flight. Resolves once all are trusted, with their builders. */
  async runs(
    commit: Prepared,
    { count, atOnce = count, job }: { count: number; atOnce?: number; job?: JobSpec },
    signal: AbortSignal,
  ): Promise<string[][]> {
    const builders: string[][] = [];
    let left = count;
    const one = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        const { run } = await this.submit(commit, job);
        builders.push(await this.trusted(run, signal));
      }
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, count) }, one));
    return builders;
  }

  /** Pids by name: `controller`, and each worker. */
  get nodes(): Map<string, number> {
    const { cluster } = this;
    const workers = [...cluster.workers].map(([name, { pid }]) => [name, pid] as const);
    return new Map([['controller', cluster.control.pid], ...workers]);
  }

  /** Milliseconds of processor time, children that a node has waited for included. */
  used(): Promise<Used> {
    return this.#ofEach(processorMs);
  }

  /** Calls that wrote to files and sockets, without those of children: how much a node says and keeps, whatever the load. */
  writes(): Promise<Used> {
    return this.#ofEach(writeCalls);
  }

  async #ofEach(measure: (pid: number) => Promise<number>): Promise<Used> {
    const each = [...this.nodes].map(async ([name, pid]) => [name, await measure(pid)] as const);
    return new Map(await Promise.all(each));
  }
}

/** Sum over the nodes that were there before. */
export function spent(before: Used, after: Used, of: (name: string) => boolean = () => true): number {
  let sum = 0;
  for (const [name, ms] of after) if (of(name)) sum += ms - (before.get(name) ?? 0);
  return sum;
}
