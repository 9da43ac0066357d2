import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../member/client.ts';
import { needsOf } from '../../member/job-document.ts';
import type { Prepared } from '../../member/submit.ts';
import { codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import type { Context } from '../../terminal/context.ts';
import { duration } from '../../terminal/format.ts';
import type { DependenciesOf } from './bring-dependencies.ts';
import type { keptRuns } from './kept-runs.ts';
import type { FollowedJob } from './run-evidence.ts';

const expiresSeconds = 24 * 3600;
/** Gives up on a controller that reads nothing more of an image for this long. */
const imageStallMsMax = 60_000;
const askAgainMs = 500;

export interface PublishedJob extends FollowedJob {
  name: string;
  /** Jobs that this one rests on, and the level that each has to have before it begins. */
  needs: { name: string; level: string }[];
  /** An earlier run that has ended stands for it. */
  isKept?: boolean;
}

/** Publishes jobs, each after those it needs. `kept`: earlier runs that stand for a job, by its name. @throws {QuorateError} CLI_INTERRUPTED where `limit` ended it */
export async function publishAll(
  context: Context,
  client: Client,
  { ref, commit, tree, tag, recipe, jobs, words }: Prepared,
  url: string,
  limit: AbortSignal,
  how: {
    kept?: Awaited<ReturnType<typeof keptRuns>> | undefined;
    rebuild: boolean;
    dependenciesOf: DependenciesOf;
  },
): Promise<PublishedJob[]> {
  const { out } = context;
  const { kept, rebuild, dependenciesOf } = how;
  const push = randomUUID();
  const runs = new Map<string, Omit<PublishedJob, 'name'> & { test: boolean }>();
  for (const { instance, job } of jobs) {
    const { name, needs } = instance;
    const named = needs.map((need) => ({ name: need.instance, level: need.level }));
    const test = job.kind === 'test';
    const asked = { repo: url, ref, commit, recipe, policy: job.trust, needs: needsOf(needs, runs) };
    const before = kept?.get(name);
    if (before !== undefined) {
      const { run } = before;
      runs.set(name, { ...before, needs: named });
      out.value({ event: 'kept', name, run });
      // Of several its row says so.
      if (jobs.length === 1) out.say(out.colours.dim(`kept ${out.id(run)} ${name}`));
      continue;
    }
    const accepted = await whenImageIsReady(context, limit, () =>
      client.submit({
        repo: { url, ref },
        commit,
        tree,
        tag,
        job,
        policy: job.trust,
        rebuild,
        words: { push, ...words },
        expiresSeconds,
        recipe,
        dependencies: dependenciesOf(job),
        needs: asked.needs,
      }),
    ).catch((cause: unknown) => {
      if (!limit.aborted) throw cause;
      throw new QuorateError('CLI_INTERRUPTED', 'stopped while the job was being published', {
        hint: `It may have arrived: quorate jobs lists it${runs.size > 0 ? ', and those published before it' : ''}.`,
        cause,
      });
    });
    runs.set(name, { run: accepted.run, test, needs: named, asked: { ...asked, job: accepted.job } });
    out.value({ event: 'submitted', name, ...accepted, commit, needs: named });
    const id = out.id(accepted.run);
    out.say(out.colours.dim(jobs.length === 1 ? `run ${id}` : `run ${id} ${name}`));
  }
  return [...runs].map(([name, { test: _, ...job }]) => ({ name, ...job }));
}

/** The end of `--timeout`, with how far publishing was. */
export function timedOut(
  seconds: number,
  published: readonly unknown[],
  cause: unknown,
  lacks: 'verdict' | 'evidence' = 'verdict',
): QuorateError {
  const before =
    cause instanceof QuorateError && cause.code === 'CLI_INTERRUPTED'
      ? cause.hint
      : 'Nothing was published: run it again, and give it more time.';
  const hint =
    published.length > 0 ? 'The job goes on: quorate jobs lists it, quorate show <job> tells more.' : before;
  return new QuorateError('CLI_TIMEOUT', `no ${lacks} within ${duration(seconds * 1000)}`, { hint, cause });
}

/** Publishes again while the controller reads the job's image, and shows how far it is. @throws as `publish` */
async function whenImageIsReady<T>(
  { out }: Context,
  limit: AbortSignal,
  publish: () => Promise<T>,
): Promise<T> {
  const board = out.board();
  let shown = '';
  let changedAt = performance.now();
  try {
    for (;;) {
      try {
        return await publish();
      } catch (error) {
        if (codeOf(error) !== 'IMAGE_NOT_READY') throw error;
        const now = performance.now();
        const says = messageOf(error);
        if (says === shown && now - changedAt > imageStallMsMax) throw error;
        if (says !== shown) [shown, changedAt] = [says, now];
        board.set('image', { text: escapeLine(says, 300) });
        out.value({ event: 'waiting', code: 'IMAGE_NOT_READY', says });
      }
      await sleep(askAgainMs, undefined, { signal: limit });
    }
  } finally {
    board.end();
  }
}
