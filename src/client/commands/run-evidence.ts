import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../member/client.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { Request } from '../../protocol/documents/index.ts';
import type { Context } from '../../terminal/context.ts';
import { commandLimits } from './limits.ts';
import type { Until } from './next-steps.ts';
import { checkBundle } from './verification.ts';

/** Members of a request that say which run it asks for, as its publisher signs them. */
export type AskedFor = Pick<Request, 'job' | 'needs' | 'repo' | 'ref' | 'commit' | 'recipe' | 'policy'>;

export interface FollowedJob {
  run: string;
  asked: AskedFor;
}

const askAgainMs = 500;

/**
 * Why the evidence of a run does not prove that it reached the level, which the controller says; undefined where it does. Waits for a
 * bundle that is being stored, and as long as a run is followed for a controller that is away.
 * @throws {QuorateError} `HOME_…`, of the connection; where the signal is aborted, any error
 */
export async function whyUnproven(
  context: Pick<Context, 'home' | 'out'>,
  client: Pick<Client, 'bundle' | 'project'>,
  job: FollowedJob,
  until: Until,
  signal: AbortSignal,
): Promise<QuorateError | undefined> {
  const { isGone, Patience } = await import('../../node/patience.ts');
  const { EvidenceRefused } = await import('../../protocol/sessions/run-verifier.ts');
  const patience = new Patience({ signal, tell: (says) => context.out.note(says) }, true);
  // That of the verdict before may be of less, or void by now.
  const mayCome = (error: QuorateError) =>
    error instanceof NotYet || error instanceof EvidenceRefused || error.code === 'BUNDLE_NOT_FOUND';
  let began = performance.now();
  for (;;) {
    try {
      await prove(context, client, job, until);
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      if (isGone(error)) {
        await patience.wait(error);
        began = performance.now();
        continue;
      }
      if (!(error instanceof QuorateError) || error.code.startsWith('HOME_')) throw error;
      if (!mayCome(error) || performance.now() - began >= commandLimits.storedMsMax) return error;
    }
    await sleep(askAgainMs, undefined, { signal });
  }
}

/** Evidence of this run, maybe of the verdict before: that of the last one is stored after it is told. */
class NotYet extends QuorateError {}

async function prove(
  context: Pick<Context, 'home' | 'out'>,
  client: Pick<Client, 'bundle' | 'project'>,
  { run, asked }: FollowedJob,
  until: Until,
): Promise<void> {
  const { bundle } = await client.bundle(run);
  const { claimedPayloadOf, sameValue } = await import('../../protocol/documents/index.ts');
  const { checkAbout, refusedAt } = await import('../../protocol/sessions/run-verifier.ts');
  const { atLeast } = await import('../../protocol/trust/index.ts');
  checkAbout(bundle, run);
  const { ok, level, code, steps } = await checkBundle(context, bundle, client.project);
  if (!ok) throw refusedAt(code, steps);
  const request = claimedPayloadOf('request', bundle.request);
  // Says something of earlier runs only, whose ids the controller told: others were signed by this command.
  for (const [what, wanted] of Object.entries(asked))
    if (!sameValue(request?.[what as keyof AskedFor] ?? null, wanted ?? null))
      throw new QuorateError('RUN_MISMATCH', `the evidence is about a request with another ${what}`);
  if (!atLeast(level, until))
    throw new NotYet('RUN_NOT_TRUSTED', `the evidence comes to "${level}", and not to "${until}"`);
}
