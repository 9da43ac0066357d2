import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, messageOf, QuorateError, reportedError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import type { VerifiedFacts } from '../../protocol/trust/index.ts';
import { type Alarm, newAlarms } from '../machine/alarms.ts';
import {
  type HookTold,
  type Outcome,
  outcomeText,
  type Refusal,
  type Started,
} from '../machine/hook-ledger.ts';
import { hookLimits } from '../machine/hook-limits.ts';
import type { ListedRun, Listing } from '../machine/hook-listing.ts';
import type { RefPattern } from '../machine/hook-refs.ts';
import type { TrustedHook } from '../machine/trusted-hook.ts';
import type { Taken, TakeOptions } from './hook-evidence.ts';
import type { HookFolder } from './hook-folder.ts';

/** Variables of the command. */
export type HookEnv = Readonly<Record<`QUORATE_${string}`, string>>;

/** The ports of a hook. */
export interface HookPorts {
  readonly project: string;
  readonly folder: HookFolder;
  list(): Promise<Listing>;
  /** Runs the owner's command. Never throws. */
  execute(env: HookEnv): Promise<Outcome>;
  tell(told: HookTold): void;
  readonly signal: AbortSignal;
  /** End after the first command. */
  readonly once: boolean;
  readonly pollMs?: number;
}

type Take = (run: TakeOptions['run'], dir: string, accept: TakeOptions['accept']) => Promise<Taken>;

/** Runs the command for each trusted artifact that the hook is for, one after the other. Returns the last outcome; undefined where there was none. */
export function followTrusted(ports: HookPorts, hook: TrustedHook, take: Take): Promise<Outcome | undefined> {
  return follow(ports, async ({ jobs }) => {
    const run = hook.next(jobs, Date.now());
    return run === undefined ? undefined : actOn(ports, hook, take, run);
  });
}

/** The outcome of one look at a listing. */
interface Acted {
  outcome?: Outcome;
}

async function actOn(ports: HookPorts, hook: TrustedHook, take: Take, run: ListedRun): Promise<Acted> {
  const { folder, tell, signal } = ports;
  try {
    const { taken, event } = await takeFor(ports, hook, take, run, false);
    if (event.kind !== 'started') return refuse(ports, event, hook.isFalse(run));
    return { outcome: await started(ports, event, run, trustedEnv(ports.project, taken)) };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Unwanted) return refuse(ports, error.event, hook.isFalse(run));
    const code = codeOf(error);
    if (code === 'INTERNAL' || isOwn(error)) throw error;
    const message = escapeLine(messageOf(error), hookLimits.textCharsMax);
    const event = hook.failed(run, code, message, Date.now());
    if (event !== undefined) return refuse(ports, event, hook.isFalse(run));
    tell({ event: 'retrying', run: run.run, code, message });
    return {};
  } finally {
    await folder.clear();
  }
}

/** Errors of this host, which no further attempt mends and no run is to blame for. */
const isOwn = (error: unknown): boolean => /^(JOURNAL|HOME)_/.test(codeOf(error));

/** The facts are not what the hook is for; its event says why. */
class Unwanted extends Error {
  readonly event: Refusal;

  constructor(event: Refusal) {
    super('not wanted');
    this.event = event;
  }
}

async function takeFor(
  { folder }: HookPorts,
  hook: TrustedHook,
  take: Take,
  run: ListedRun,
  again: boolean,
): Promise<{ taken: Taken; event: Started | Refusal }> {
  const accept = (facts: VerifiedFacts) => {
    const event = hook.verified(run, facts, Date.now(), again);
    if (event.kind === 'refused') throw new Unwanted(event);
  };
  const { run: id, ref, artifact } = run;
  if (artifact === null) throw new QuorateError('ARTIFACT_NOT_FOUND', 'the run has no artifact');
  const taken = await take({ run: id, ref, artifact }, await folder.fresh(), accept);
  return { taken, event: hook.verified(run, taken.facts, Date.now(), again) };
}

function refuse({ folder, tell }: HookPorts, event: Refusal, isFalse: boolean): Acted {
  if (!isFalse) folder.record(event, Date.now());
  tell({ event: 'refused', run: event.subject, code: event.code, message: event.message });
  return {};
}

/** The event is on disk before the command starts: whatever ends this process, it starts once. */
async function started(
  ports: HookPorts,
  event: Started,
  { name, ref }: { name: string; ref: string },
  env: HookEnv,
): Promise<Outcome> {
  const { folder, tell, execute } = ports;
  const { subject, artifact } = event;
  const before = Date.now();
  folder.record(event, before);
  tell({ event: 'started', subject, name, ref, artifact });
  const outcome = await execute(env);
  ended(ports, subject, outcome, Date.now() - before);
  return outcome;
}

function ended({ folder, tell }: HookPorts, subject: string, outcome: Outcome, ms: number): void {
  folder.record({ kind: 'ended', subject, outcome }, Date.now());
  tell({ event: 'ended', subject, outcome, says: outcomeText(outcome), ms });
}

/**
 * Runs the command again for a run that was handled before. Errors: `HOOK_…` where it is not what the hook is for, or older than the last of its
 * ref and job, and those of `takeTrusted`.
 */
export async function repeatTrusted(
  ports: HookPorts,
  hook: TrustedHook,
  take: Take,
  run: ListedRun,
): Promise<Outcome> {
  try {
    const { taken, event } = await takeFor(ports, hook, take, run, true);
    if (event.kind !== 'started') throw new Unwanted(event);
    return await started(ports, event, run, trustedEnv(ports.project, taken));
  } catch (error) {
    if (!(error instanceof Unwanted)) throw error;
    const { code, message } = error.event;
    throw reportedError(code, message);
  } finally {
    await ports.folder.clear();
  }
}

/** Runs the command for each alarm, once. `proven`: evidence against the log that members told. */
export function followDisputed(
  ports: HookPorts,
  refs: readonly RefPattern[] | undefined,
  proven: () => Promise<readonly string[]>,
): Promise<Outcome | undefined> {
  return follow(ports, async ({ jobs, equivocations }) => {
    const { ledger } = ports.folder;
    const all = [...new Set([...(await proven()), ...equivocations])];
    const [alarm] = newAlarms(ledger, { runs: jobs, equivocations: all }, refs);
    if (alarm === undefined) return undefined;
    const run = alarm.event === 'equivocation' ? { name: '', ref: '', artifact: null } : alarm.run;
    const { subject } = alarm;
    const event = { kind: 'started', subject, artifact: run.artifact } as const;
    return { outcome: await started(ports, event, run, alarmEnv(ports.project, alarm)) };
  });
}

/** Asks, acts, and waits, until the signal is aborted, or after the first command. */
async function follow(
  ports: HookPorts,
  act: (listing: Listing) => Promise<Acted | undefined>,
): Promise<Outcome | undefined> {
  const { folder, list, tell, signal, once, pollMs = hookLimits.pollMs } = ports;
  for (const subject of folder.ledger.unfinished) {
    ended(ports, subject, { kind: 'unknown' }, 0);
  }
  tell({ event: 'following' });
  let last: Outcome | undefined;
  let pause = pollMs;
  while (!signal.aborted) {
    try {
      const listing = await list();
      pause = pollMs;
      const acted = await act(listing);
      if (acted?.outcome !== undefined) {
        last = acted.outcome;
        if (once) break;
      }
      // There may be more in the same listing.
      if (acted !== undefined) continue;
    } catch (error) {
      if (signal.aborted) break;
      if (!(error instanceof QuorateError) || isOwn(error)) throw error;
      if (pause === pollMs)
        tell({
          ...{ event: 'waiting', code: error.code },
          message: escapeLine(error.message, hookLimits.textCharsMax),
        });
      pause = Math.min(pause * 2, hookLimits.pollMsMax);
    }
    await sleep(pause, undefined, { signal }).catch(() => {});
  }
  return last;
}

/** Variables for a command about a trusted artifact: all verified. */
function trustedEnv(project: string, { facts, artifact, bundle }: Taken): HookEnv {
  return {
    QUORATE_EVENT: 'trusted',
    QUORATE_PROJECT: project,
    QUORATE_ARTIFACT: artifact,
    QUORATE_BUNDLE: bundle,
    QUORATE_CID: facts.artifact ?? '',
    QUORATE_REPO: facts.repo,
    QUORATE_REF: facts.ref,
    QUORATE_COMMIT: facts.commit,
    QUORATE_JOB: facts.name,
    QUORATE_JOB_CID: facts.job,
    QUORATE_REQUEST: facts.request,
    QUORATE_LOG_INDEX: String(facts.index),
    QUORATE_COSIGNERS: facts.cosigners.join(' '),
  };
}

/** Variables for a command about an alarm: what the controller says of its run. */
function alarmEnv(project: string, alarm: Alarm): HookEnv {
  const { event, reason } = alarm;
  const about = { QUORATE_EVENT: event, QUORATE_PROJECT: project, QUORATE_REASON: escapeLine(reason) };
  if (alarm.event === 'equivocation') return about;
  const { run } = alarm;
  return {
    ...about,
    QUORATE_CID: run.artifact ?? '',
    QUORATE_REPO: escapeLine(run.repo),
    QUORATE_REF: escapeLine(run.ref),
    QUORATE_COMMIT: escapeLine(run.commit),
    QUORATE_JOB: escapeLine(run.name),
    QUORATE_JOB_CID: run.job,
    QUORATE_REQUEST: run.run,
  };
}
