import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../member/client.ts';
import type { Patience, Waiting } from '../../node/patience.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { Request } from '../../protocol/documents/index.ts';
import type { VerifiedFacts } from '../../protocol/trust/index.ts';
import { countsUncosigned } from '../../protocol/trust/not-cosigned.ts';
import type { Progress } from '../../protocol/wire/progress.ts';
import { toldPolicy } from '../../protocol/wire/told-policy.ts';
import type { Context } from '../../terminal/context.ts';
import { shortRun } from '../../terminal/format.ts';
import type { Reached } from './next-steps.ts';
import { checkBundle } from './verification.ts';

export const commandLimits = {
  /** From the verdict of a run that is followed until its bundle is given up, in ms: a controller stores it after it tells the verdict. */
  storedMsMax: 30_000,
  /** Between two questions for it. */
  askAgainMs: 500,
  /** For a whole bundle as long as bytes of it arrive, in ms: the largest at 0.9 Mbit/s. A run that is followed waits for nothing else then. */
  bundleMsMax: 10 * 60_000,
  /** For the logs and comparisons that `quorate run` prints of all runs together once their verdicts are proven, in ms. */
  closingMsMax: 60_000,
} as const;

/** Members of a request that say which run it asks for, as its publisher signs them. */
export type AskedFor = Pick<Request, 'job' | 'needs' | 'repo' | 'ref' | 'commit' | 'recipe' | 'policy'>;

export interface FollowedJob {
  run: string;
  asked: AskedFor;
}

type Told<K extends Progress['kind']> = Extract<Progress, { kind: K }>;

/** A verdict, as the controller tells it. */
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

type Controller = Pick<Client, 'bundle' | 'project'>;

/** The verdicts of these runs, once all of them are proven or given up. @throws as `RunProofs.settled` */
export async function proofOf<T extends ToldRun>(
  context: Pick<Context, 'home' | 'out'>,
  client: Controller,
  runs: readonly T[],
  signal: AbortSignal,
  storedMsMax?: number,
): Promise<Map<T, Proof>> {
  const proofs = new RunProofs(context, client, { signal, storedMsMax });
  for (const told of runs) proofs.take(told.job.run, told);
  await proofs.settled();
  return new Map(runs.map((told) => [told, proofs.of(told.job.run) as Proof]));
}

interface ProofOptions extends Waiting {
  /** Called with each answer, unless the controller has told otherwise meanwhile. */
  onProof?: (told: ToldRun, proof: Proof) => void;
  /** Longest wait for a bundle that is being stored, in ms. */
  storedMsMax?: number | undefined;
}

/**
 * Verifies the verdicts that a controller tells while it tells more: one bundle at a time, as one may be large, in the order in which
 * they were told, and of each run the last one. Waits for bundles that are being stored, and as long as a run is followed for a
 * controller that is away.
 */
export class RunProofs {
  readonly #context: Pick<Context, 'home' | 'out'>;
  readonly #client: Controller;
  readonly #options: ProofOptions;
  /** Of each run its last verdict. */
  readonly #told = new Map<string, ToldRun>();
  /** Those without an answer, and when their evidence was first missing, in ms. */
  readonly #open = new Map<ToldRun, number | undefined>();
  readonly #proofs = new Map<ToldRun, Proof>();
  #work: Promise<void> | undefined;

  constructor(context: Pick<Context, 'home' | 'out'>, client: Controller, options: ProofOptions) {
    this.#context = context;
    this.#client = client;
    this.#options = options;
  }

  /** `told`: undefined where no verdict stands that evidence could prove. */
  take(run: string, told: ToldRun | undefined): void {
    const before = this.#told.get(run);
    if (JSON.stringify(before) === JSON.stringify(told)) return;
    if (before !== undefined) {
      this.#open.delete(before);
      this.#proofs.delete(before);
    }
    if (told === undefined) return void this.#told.delete(run);
    this.#told.set(run, told);
    this.#open.set(told, undefined);
    this.#work ??= this.#verify();
    // Thrown by `settled`.
    this.#work.catch(() => {});
  }

  of(run: string): Proof | undefined {
    const told = this.#told.get(run);
    return told && this.#proofs.get(told);
  }

  /** Whether its evidence proves its last verdict. */
  isProven(run: string): boolean {
    const proof = this.of(run);
    return proof !== undefined && proof.why === undefined;
  }

  /** Resolves once all that was told has an answer. @throws {QuorateError} `HOME_…`, of the connection; where the signal is aborted, any error */
  async settled(): Promise<void> {
    await this.#work;
  }

  async #verify(): Promise<void> {
    const { Patience } = await import('../../node/patience.ts');
    const { signal } = this.#options;
    const patience = new Patience(this.#options, true);
    while (this.#open.size > 0) {
      for (const told of [...this.#open.keys()]) {
        const proof = await this.#proofOf(told, patience);
        if (proof === undefined || !this.#open.delete(told)) continue;
        this.#proofs.set(told, proof);
        this.#options.onProof?.(told, proof);
      }
      if (this.#open.size > 0) await sleep(commandLimits.askAgainMs, undefined, { signal });
    }
    this.#work = undefined;
  }

  /** Undefined where its evidence may come yet. */
  async #proofOf(told: ToldRun, patience: Patience): Promise<Proof | undefined> {
    const { isGone } = await import('../../node/patience.ts');
    const { EvidenceRefused } = await import('../../protocol/sessions/run-verifier.ts');
    const { signal, storedMsMax = commandLimits.storedMsMax } = this.#options;
    while (this.#open.has(told)) {
      try {
        const shows = await prove(this.#context, this.#client, told);
        patience.progressed();
        return { why: undefined, shows };
      } catch (error) {
        signal.throwIfAborted();
        if (isGone(error)) {
          await patience.wait(error);
          for (const one of this.#open.keys()) this.#open.set(one, undefined);
          continue;
        }
        if (!(error instanceof QuorateError) || error.code.startsWith('HOME_')) throw error;
        // That of the verdict before may be of less, or void by now.
        const mayCome =
          error instanceof NotYet || error instanceof EvidenceRefused || error.code === 'BUNDLE_NOT_FOUND';
        const now = performance.now();
        const since = this.#open.get(told) ?? now;
        if (!mayCome || now - since >= storedMsMax) return { why: error, shows: [] };
        if (this.#open.has(told)) this.#open.set(told, since);
        return undefined;
      }
    }
    return undefined;
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
  if (verdict.level === 'failed' ? level !== 'failed' : !atLeast(level, verdict.level))
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

function verdictIn({ kind, artifact, policy }: VerifiedFacts, level: Reached['level']): Told<'verdict'> {
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
