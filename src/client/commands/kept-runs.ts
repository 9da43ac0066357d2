import type { Client } from '../../member/client.ts';
import { jobDocument, needsOf } from '../../member/job-document.ts';
import type { Prepared } from '../../member/submit.ts';
import { encodeJob, sameValue } from '../../protocol/documents/index.ts';
import { cosignersOf } from '../../protocol/judge/policy.ts';
import { emptyTree } from '../../protocol/trust/decide.ts';
import { policyIn, toldPolicy } from '../../protocol/wire/told-policy.ts';
import type { AskedFor, FollowedJob, ToldRun } from './run-evidence.ts';

type RunSummary = Awaited<ReturnType<Client['jobs']>>['jobs'][number];

interface KeptRun extends FollowedJob {
  test: boolean;
  /** It has ended. */
  isKept: boolean;
}

/**
 * The newest runs, by the name of their job, of jobs of a commit that need not be published again: going on, or trusted, or agreed where no
 * more can come of them; of the very same job, job file and policy, and resting on such runs only. `isProven`: whether evidence proves the
 * verdict of one that has ended.
 */
export async function keptRuns(
  client: Pick<Client, 'jobs' | 'show'>,
  prepared: Pick<Prepared, 'ref' | 'commit' | 'tree' | 'tag' | 'recipe' | 'jobs'>,
  url: string,
  isProven: (told: ToldRun, name: string) => Promise<boolean>,
): Promise<Map<string, KeptRun>> {
  const { ref, commit, tree, tag, recipe } = prepared;
  const known = (await client.jobs()).jobs.filter(
    (run) =>
      run.repo === url &&
      run.ref === ref &&
      run.commit === commit &&
      sameValue(run.recipe ?? null, recipe ?? null),
  );
  const kept = new Map<string, KeptRun>();
  /** Names of kept runs that are agreed, of which no more can come. */
  const low = new Set<string>();
  // Each comes after those it needs.
  for (const { instance, job } of prepared.jobs) {
    const { name, needs } = instance;
    const last = known.find((run) => run.name === name);
    if (last === undefined || needs.some(({ instance: needed }) => !kept.has(needed))) continue;
    const { run, state, artifact, reports, revoked } = last;
    const isFinal =
      last.level === 'agreed' &&
      (needs.some(({ instance: needed }) => low.has(needed)) ||
        (isEmpty(last) && cosignersOf(job.trust) === 0));
    const level = last.level === 'trusted' ? 'trusted' : isFinal ? 'agreed' : undefined;
    if (state === 'cancelled' || (state === 'done' && (level === undefined || revoked !== undefined)))
      continue;
    const { id } = encodeJob(jobDocument({ repo: { url }, commit, tree, job, tag }));
    const { trust: policy } = job;
    const asked = { job: id, repo: url, ref, commit, recipe, policy, needs: needsOf(needs, kept) };
    if (!isOf(asked, last, await client.show(run))) continue;
    const told: ToldRun = { job: { run, asked }, verdict: { level: level ?? 'trusted', artifact, reports } };
    if (state === 'done' && !(await isProven(told, name))) continue;
    kept.set(name, { run, asked, test: job.kind === 'test', isKept: state === 'done' });
    if (isFinal) low.add(name);
  }
  return kept;
}

/** Whether it put out nothing, which needs a co-signature. */
const isEmpty = ({ artifact, reports }: RunSummary): boolean =>
  [null, emptyTree].includes(reports ?? artifact);

/** Whether a run is told to be the one that is asked for. */
function isOf(
  asked: AskedFor,
  { policy }: RunSummary,
  { history }: Awaited<ReturnType<Client['show']>>,
): boolean {
  let published: string | undefined;
  let needs: object = {};
  for (const { progress } of history) {
    if (progress.kind === 'accepted') published = progress.job;
    if (progress.kind === 'waiting') needs = progress.needs;
  }
  return (
    published === asked.job &&
    sameValue(policyIn(policy), toldPolicy(asked.policy)) &&
    sameValue(needs, asked.needs ?? {})
  );
}
