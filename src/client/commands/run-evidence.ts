import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../member/client.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { Request } from '../../protocol/documents/index.ts';
import type { VerifiedFacts } from '../../protocol/trust/index.ts';
import { countsUncosigned } from '../../protocol/trust/not-cosigned.ts';
import type { Progress } from '../../protocol/wire/progress.ts';
import { toldPolicy } from '../../protocol/wire/told-policy.ts';
import type { Context } from '../../terminal/context.ts';
import { shortRun } from '../../terminal/format.ts';
import type { Reached, Until } from './next-steps.ts';
import { checkBundle } from './verification.ts';

export const commandLimits = {
  /** From the verdict of a run that is followed until its bundle is given up, in ms: a controller stores it after it tells the verdict. */
  storedMsMax: 30_000,
  /** For a whole bundle as long as bytes of it arrive, in ms: the largest at 0.9 Mbit/s. A run that is followed waits for nothing else then. */
  bundleMsMax: 10 * 60_000,
} as const;

/** Members of a request that say which run it asks for, as its publisher signs them. */
export type AskedFor = Pick<Request, 'job' | 'needs' | 'repo' | 'ref' | 'commit' | 'recipe' | 'policy'>;

export interface FollowedJob {
  run: string;
  asked: AskedFor;
}

type Told<K extends Progress['kind']> = Extract<Progress, { kind: K }>;

/** A run that has ended, as the controller tells it. */
export interface ToldRun {
  job: FollowedJob;
  verdict: Reached;
  /** How it compares with an earlier one, where that was asked for. */
  repeated?: Told<'repeated'> | undefined;
}

/** The answer of the evidence of a run. */
export interface Proof {
  /** Why it does not prove the verdict; undefined where it does. */
  why: QuorateError | undefined;
  /** Events that it shows, in the order in which a controller tells them. */
  shows: Progress[];
}

const askAgainMs = 500;

type Controller = Pick<Client, 'bundle' | 'project'>;

/**
 * Whether the evidence of runs proves the verdicts that the controller tells. Waits for bundles that are being stored,
 * as long for all of them as for one, and as long as a run is followed for a controller that is away. `storedMsMax`: longest wait for
 * bundles, in ms.
 * @throws {QuorateError} `HOME_…`, of the connection; where the signal is aborted, any error
 */
export async function proofOf<T extends ToldRun>(
  context: Pick<Context, 'home' | 'out'>,
  client: Controller,
  runs: readonly T[],
  signal: AbortSignal,
  storedMsMax: number = commandLimits.storedMsMax,
): Promise<Map<T, Proof>> {
  const { isGone, Patience } = await import('../../node/patience.ts');
  const { EvidenceRefused } = await import('../../protocol/sessions/run-verifier.ts');
  const patience = new Patience({ signal, tell: (says) => context.out.note(says) }, true);
  // That of the verdict before may be of less, or void by now.
  const mayCome = (error: QuorateError) =>
    error instanceof NotYet || error instanceof EvidenceRefused || error.code === 'BUNDLE_NOT_FOUND';
  const proofs = new Map<T, Proof>();
  let open = runs;
  let began: number | undefined;
  for (;;) {
    const missing: T[] = [];
    // One after the other: a bundle may be large.
    for (let n = 0; n < open.length; ) {
      const one = open[n] as T;
      try {
        proofs.set(one, { why: undefined, shows: await prove(context, client, one) });
        patience.progressed();
      } catch (error) {
        signal.throwIfAborted();
        if (isGone(error)) {
          await patience.wait(error);
          began = undefined;
          continue;
        }
        if (!(error instanceof QuorateError) || error.code.startsWith('HOME_')) throw error;
        proofs.set(one, { why: error, shows: [] });
        if (mayCome(error)) missing.push(one);
      }
      n += 1;
    }
    began ??= performance.now();
    if (missing.length === 0 || performance.now() - began >= storedMsMax) return proofs;
    open = missing;
    await sleep(askAgainMs, undefined, { signal });
  }
}

/** Evidence of this run, maybe of the verdict before: that of the last one is stored after it is told. */
class NotYet extends QuorateError {}

/** Returns what the evidence shows. */
async function prove(
  context: Pick<Context, 'home' | 'out'>,
  client: Controller,
  { job: { run, asked }, verdict, repeated }: ToldRun,
): Promise<Progress[]> {
  const { bundle } = await client.bundle(run, commandLimits.bundleMsMax);
  const { claimedPayloadOf, sameValue } = await import('../../protocol/documents/index.ts');
  const { checkAbout, refusedAt } = await import('../../protocol/sessions/run-verifier.ts');
  const { atLeast } = await import('../../protocol/trust/index.ts');
  checkAbout(bundle, run);
  const { ok, level, code, steps, facts } = await checkBundle(context, bundle, client.project);
  if (!ok || facts === null) throw refusedAt(code, steps);
  const request = claimedPayloadOf('request', bundle.request);
  const signed = request && comparable(request);
  // Says something of earlier runs only, whose ids the controller told: others were signed by this command.
  for (const [what, wanted] of Object.entries(comparable(asked)))
    if (!sameValue(signed?.[what as keyof AskedFor] ?? null, wanted))
      throw new QuorateError('RUN_MISMATCH', `the evidence is about a request with another ${what}`);
  if (!atLeast(level, verdict.level))
    throw new NotYet('RUN_NOT_TRUSTED', `the evidence comes to "${level}", and not to "${verdict.level}"`);
  const shown = verdictIn(facts, verdict.level);
  for (const what of ['artifact', 'reports'] as const)
    if (shown[what] !== verdict[what])
      throw new NotYet(
        'RUN_MISMATCH',
        `the evidence is about ${shown[what] ?? `no ${what}`}, not ${verdict[what] ?? 'none'}`,
      );
  const shows = [...contradictionIn(facts), shown];
  return repeated?.same === true ? [...shows, await comparison(client, facts, repeated)] : shows;
}

function verdictIn({ kind, artifact, policy }: VerifiedFacts, level: Until): Told<'verdict'> {
  const isTest = kind === 'test';
  return {
    kind: 'verdict',
    level,
    artifact: isTest ? null : artifact,
    ...(isTest && artifact !== null && { reports: artifact }),
    ...(countsUncosigned(policy, level) && { cosigned: false }),
  };
}

/** As `keptRuns` compares them: the rounds of a policy depend on the version of the client, and prove nothing. */
function comparable({ job, needs, repo, ref, commit, recipe, policy }: AskedFor) {
  return { job, needs: needs ?? null, repo, ref, commit, recipe: recipe ?? null, policy: toldPolicy(policy) };
}

/** The trusted worker built something else than operators of a round had agreed on, by their receipts in the evidence. */
function contradictionIn({ artifact, cosigners, dissent, earlier, policy }: VerifiedFacts): Progress[] {
  // Of an answer they are those of an earlier run, which had that alarm.
  if (cosigners.length === 0 || earlier !== null) return [];
  const operators = new Map<string, Set<string>>();
  for (const { round, operator, slot, outcome } of dissent) {
    if (outcome.kind !== 'exit' || outcome.code !== 0 || slot === 'trusted') continue;
    const key = JSON.stringify([round, outcome.artifact]);
    const agreeing = (operators.get(key) ?? new Set()).add(operator);
    operators.set(key, agreeing);
    if (agreeing.size >= policy.agree)
      return [{ kind: 'contradicted', round, artifact: outcome.artifact, trusted: artifact }];
  }
  return [];
}

/** The request whose builds a run rests on. */
const builtFor = ({ request, earlier }: VerifiedFacts): string => earlier ?? request;

/** The comparison with an earlier run by the evidence of both. */
async function comparison(
  client: Controller,
  own: VerifiedFacts,
  repeated: Told<'repeated'>,
): Promise<Progress> {
  const { earlier } = repeated;
  const { joseVerifier } = await import('../../identity/verifier.ts');
  const { isConnectionError } = await import('../../protocol/sessions/ask.ts');
  const { sameValue } = await import('../../protocol/documents/index.ts');
  const { checkAbout, EvidenceRefused, refusedAt } = await import('../../protocol/sessions/run-verifier.ts');
  const { atLeast, verifyBundle } = await import('../../protocol/trust/index.ts');
  try {
    const { bundle } = await client.bundle(earlier, commandLimits.bundleMsMax);
    checkAbout(bundle, earlier);
    // Without revocations: of a verdict that is void it still shows what it was about.
    const { project } = client;
    const { ok, level, code, steps, facts } = await verifyBundle(bundle, { project }, joseVerifier);
    if (!ok || facts === null) throw refusedAt(code, steps);
    if (facts.job !== own.job || builtFor(facts) === builtFor(own))
      throw new QuorateError('RUN_MISMATCH', 'its evidence is about another job, or builds of this very run');
    const isFailed = level === 'failed';
    if (!isFailed && !atLeast(level, 'agreed'))
      throw new QuorateError('RUN_NOT_TRUSTED', `its evidence comes to "${level}"`);
    const made = ({ artifact, files }: VerifiedFacts) => ({ artifact, files });
    const same = !isFailed && sameValue(made(facts), made(own));
    return { ...repeated, same, artifact: own.artifact, before: facts.artifact };
  } catch (error) {
    if (!(error instanceof QuorateError) || isConnectionError(error)) throw error;
    const says = `that run ${shortRun(earlier)} came to the same: ${error.message}`;
    throw new EvidenceRefused(error.code, says, { cause: error });
  }
}
