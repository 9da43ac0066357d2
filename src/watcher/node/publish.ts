import { createHash } from 'node:crypto';
import type { Client } from '../../member/client.ts';
import { fetchTrees } from '../../member/dependencies.ts';
import { needsOf } from '../../member/job-document.ts';
import { type PlannedJob, type Prepared, prepare } from '../../member/submit.ts';
import { codeOf } from '../../protocol/base/errors.ts';
import type { Policy } from '../../protocol/documents/index.ts';
import { floorOf } from '../../protocol/judge/policy.ts';
import { skipText } from '../../protocol/pipeline/plan.ts';
import type { PublishedRun, PublishOrder } from '../machine/events.ts';
import { touches } from '../machine/rules.ts';
import type { Outcome } from '../sessions/ports.ts';
import { watchNodeLimits } from './limits.ts';
import type { WatchedRepository } from './repository.ts';

interface PublishOptions {
  repository: WatchedRepository;
  /** The home: fetched dependencies are kept there. */
  home: string;
  /** Where the package managers of this host find their configuration. */
  env: NodeJS.ProcessEnv;
  signal: AbortSignal;
}

/** Publishes `quorate.yaml` at an order's commit. The same order opens the same runs. @throws as `prepare`, `fetchTrees`, `Client.submit` */
export async function publishOrder(
  client: Client,
  order: PublishOrder,
  options: PublishOptions,
): Promise<Outcome> {
  const prepared = await preparedFor(order, options);
  const { jobs, skipped, changed } = prepared;
  if (changed !== undefined && !touches(changed, order.paths))
    return { kind: 'unaffected', says: 'no path that the rule names has changed' };
  if (jobs.length === 0) {
    const why = skipped.map(({ job, reason }) => `${job}: ${skipText(reason)}`);
    return { kind: 'unaffected', says: why.join('; ') || 'the job file has no job' };
  }
  return { kind: 'published', runs: await submitAll(client, order, prepared, options) };
}

/** A commit that the order compares with and that is not there any more is left out: all counts as changed. */
async function preparedFor(order: PublishOrder, { repository, signal }: PublishOptions): Promise<Prepared> {
  const { ref, commit, object, job, base, words } = order;
  const name = ref.startsWith('refs/tags/') ? ref.slice('refs/tags/'.length) : undefined;
  const seen = { ref, commit, ...(name !== undefined && { tag: { name, object } }) };
  const { url, confine } = repository;
  const of = (compared?: string) =>
    prepare({
      url,
      ref: seen,
      confine,
      base: compared,
      jobName: job ?? undefined,
      signal,
      words: words?.subject,
    });
  if (base === null || base === commit) return of();
  return of(base).catch((error: unknown) => {
    if (codeOf(error) !== 'SOURCE_COMMIT_NOT_FOUND') throw error;
    return of();
  });
}

async function submitAll(
  client: Client,
  order: PublishOrder,
  { ref, commit, tree, tag, jobs, lockFiles, words }: Prepared,
  { repository: { url }, home, env, signal }: PublishOptions,
): Promise<PublishedRun[]> {
  const wanting = jobs.filter(({ job }) => job.dependencies !== undefined).map(({ job }) => job);
  const options = { home, env, allowPrivate: false, onProgress: () => {}, signal };
  const fetched = wanting.length === 0 ? undefined : await fetchTrees(wanting, lockFiles, options);
  try {
    if (fetched !== undefined)
      for (const root of fetched.trees) await client.bring(fetched.store, root, () => {});
    const runs = new Map<string, { run: string; test: boolean }>();
    for (const { instance, job } of jobs) {
      const { name, needs } = instance;
      const { run } = await client.submit({
        repo: { url, ref },
        commit,
        tree,
        job,
        policy: policyOf(client, order, job),
        rebuild: order.rebuild,
        expiresSeconds: watchNodeLimits.requestSeconds,
        dependencies: fetched?.of(job),
        needs: needsOf(needs, runs),
        ...(tag !== undefined && { tag }),
        ...(order.words !== undefined && { words: { push: nonceOf(client, order), ...words } }),
        stamp: { jti: nonceOf(client, order, name), iat: Math.floor(order.at / 1000) },
      });
      runs.set(name, { run, test: job.kind === 'test' });
    }
    return [...runs].map(([name, { run }]) => ({ name, run }));
  } finally {
    await fetched?.close();
  }
}

/** The trust settings of a stranger's job file do not count: neither less nor more than the charter asks for. */
function policyOf({ charter }: Client, { floor }: PublishOrder, { kind, trust }: PlannedJob['job']): Policy {
  return floor ? floorOf(charter, { kind }) : trust;
}

/** Unique to the order, or to a job of it, and the same each time. */
const nonceOf = ({ project }: Client, { id }: PublishOrder, ...job: string[]): string =>
  createHash('sha256')
    .update([project, id, ...job].join('\n'))
    .digest('base64url');
