import type { Client } from '../../member/client.ts';
import { jobDocument } from '../../member/job-document.ts';
import type { PlannedJob, Prepared } from '../../member/submit.ts';
import { encodeJob, sameValue } from '../../protocol/documents/index.ts';
import { cosignersOf } from '../../protocol/judge/policy.ts';
import { emptyTree } from '../../protocol/trust/decide.ts';
import { policyIn, toldPolicy } from '../../protocol/wire/told-policy.ts';

type RunSummary = Awaited<ReturnType<Client['jobs']>>['jobs'][number];

/**
 * The newest runs with their jobs, by name, of jobs of a commit that need not be published again: going on, or trusted, or agreed where no more can come of
 * them; of the very same job, job file and policy, and resting on such runs only.
 */
export async function keptRuns(
  client: Pick<Client, 'jobs' | 'show'>,
  prepared: Pick<Prepared, 'ref' | 'commit' | 'tree' | 'tag' | 'recipe' | 'jobs'>,
  url: string,
): Promise<Map<string, { run: string; job: string }>> {
  const { ref, commit, tree, tag, recipe = null } = prepared;
  const known = (await client.jobs()).jobs.filter(
    (run) =>
      run.repo === url && run.ref === ref && run.commit === commit && sameValue(run.recipe ?? null, recipe),
  );
  const kept = new Map<string, { run: string; job: string }>();
  /** Names of kept runs that are agreed, of which no more can come. */
  const low = new Set<string>();
  const tests = new Set(
    prepared.jobs.flatMap(({ instance, job }) => (job.kind === 'test' ? [instance.name] : [])),
  );
  // Each comes after those it needs.
  for (const planned of prepared.jobs) {
    const { name, needs } = planned.instance;
    const last = known.find((run) => run.name === name);
    if (last === undefined) continue;
    const { job } = planned;
    const isFinal =
      last.level === 'agreed' &&
      (needs.some(({ instance }) => low.has(instance)) || (isEmpty(last) && cosignersOf(job.trust) === 0));
    if (!mayStand(last, isFinal)) continue;
    const { id } = encodeJob(jobDocument({ repo: { url }, commit, tree, job, tag }));
    if (isOf(planned, last, id, await client.show(last.run), kept, tests)) {
      kept.set(name, { run: last.run, job: id });
      if (isFinal) low.add(name);
    }
  }
  return kept;
}

function mayStand({ state, level, revoked }: RunSummary, isFinal: boolean): boolean {
  if (state !== 'done') return state !== 'cancelled';
  return (level === 'trusted' || isFinal) && revoked === undefined;
}

/** Whether it put out nothing, which needs a co-signature. */
const isEmpty = ({ artifact, reports }: RunSummary): boolean =>
  [null, emptyTree].includes(reports ?? artifact);

/** Whether a run is of this job, under this policy, and rests on runs that are kept. */
function isOf(
  { instance, job }: PlannedJob,
  { policy }: RunSummary,
  template: string,
  { history }: Awaited<ReturnType<Client['show']>>,
  kept: ReadonlyMap<string, { run: string }>,
  tests: ReadonlySet<string>,
): boolean {
  if (!sameValue(policyIn(policy), toldPolicy(job.trust))) return false;
  let published: string | undefined;
  let needs: Record<string, { request: string; level: string; gate?: true | undefined }> = {};
  for (const { progress } of history) {
    if (progress.kind === 'accepted') published = progress.job;
    if (progress.kind === 'waiting') needs = progress.needs;
  }
  return (
    published === template &&
    Object.keys(needs).length === instance.needs.length &&
    instance.needs.every(({ instance: needed, level }) => {
      const { run } = kept.get(needed) ?? {};
      const asked = needs[needed];
      const isGate = (asked?.gate === true) === tests.has(needed);
      return run !== undefined && asked?.request === run && asked.level === level && isGate;
    })
  );
}
