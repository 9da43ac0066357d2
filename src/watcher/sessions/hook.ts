import { codeOf, messageOf, QuorateError, reportedError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import type { Clock } from '../../protocol/sessions/ports.ts';
import { pause } from '../../protocol/sessions/timing.ts';
import type { VerifiedFacts } from '../../protocol/trust/index.ts';
import { type Alarm, type ListedRun, type Listing, newAlarms } from '../machine/alarms.ts';
import {
  type HookTold,
  type Ledger,
  type LedgerEvent,
  type Outcome,
  outcomeText,
  type Refusal,
  type Started,
} from '../machine/hook-ledger.ts';
import { hookLimits } from '../machine/hook-limits.ts';
import type { RefPattern } from '../machine/hook-refs.ts';
import type { TrustedHook } from '../machine/trusted-hook.ts';

export type HookEnv = Readonly<Record<`QUORATE_${string}`, string>>;

/** A verified artifact on disk. */
export interface Taken {
  facts: VerifiedFacts;
  /** Folder of its files, without permission to write. */
  artifact: string;
  /** File with its evidence. */
  bundle: string;
}

export interface HookPorts {
  readonly project: string;
  readonly clock: Clock;
  readonly folder: {
    readonly ledger: Ledger;
    /** On disk when it resolves. `execute` is called once it is, and not at all where the hook ends before. @throws those of the journal. */
    record(event: LedgerEvent, execute?: () => void): Promise<void>;
    fresh(): Promise<string>;
    clear(): Promise<void>;
  };
  list(): Promise<Listing>;
  /** Runs the owner's command. Never throws. */
  execute(env: HookEnv): Promise<Outcome>;
  tell(told: HookTold): void;
  readonly once: boolean;
  readonly pollMs?: number;
}

/** Gets and verifies the evidence and the files of a run, in an empty folder. `accept` throws where the facts are not wanted. */
export type Take = (
  run: Pick<ListedRun, 'run' | 'ref'> & { artifact: string },
  dir: string,
  accept: (facts: VerifiedFacts) => void,
) => Promise<Taken>;

/** Runs the command for each trusted artifact that the hook is for, one after the other. Returns the last outcome; undefined where there was none. */
export function followTrusted(ports: HookPorts, hook: TrustedHook, take: Take): Promise<Outcome | undefined> {
  return follow(ports, async ({ jobs }) => {
    const run = hook.next(jobs, ports.clock.now());
    return run === undefined ? undefined : actOn(ports, hook, take, run);
  });
}

/** The outcome of one look at a listing. */
interface Acted {
  outcome?: Outcome;
}

async function actOn(ports: HookPorts, hook: TrustedHook, take: Take, run: ListedRun): Promise<Acted> {
  const { clock, folder, tell } = ports;
  try {
    const { taken, event } = await takeFor(ports, hook, take, run, false);
    if (event.kind !== 'started') return await refuse(ports, event, hook.isFalse(run));
    return { outcome: await started(ports, event, run, trustedEnv(ports.project, taken)) };
  } catch (error) {
    if (clock.closing) throw error;
    if (error instanceof Unwanted) return await refuse(ports, error.event, hook.isFalse(run));
    const code = codeOf(error);
    if (code === 'INTERNAL' || isOwn(error)) throw error;
    const message = escapeLine(messageOf(error), hookLimits.textCharsMax);
    const event = hook.failed(run, code, message, clock.now());
    if (event !== undefined) return await refuse(ports, event, hook.isFalse(run));
    tell({ event: 'retrying', run: run.run, code, message });
    return {};
  } finally {
    await folder.clear();
  }
}

/** Errors of this host, which no further attempt mends and no run is to blame for. */
const isOwn = (error: unknown): boolean => /^(JOURNAL|HOME|CLOCK)_/.test(codeOf(error));

/** The facts are not what the hook is for; its event says why. */
class Unwanted extends Error {
  readonly event: Refusal;

  constructor(event: Refusal) {
    super('not wanted');
    this.event = event;
  }
}

async function takeFor(
  { clock, folder }: HookPorts,
  hook: TrustedHook,
  take: Take,
  run: ListedRun,
  again: boolean,
): Promise<{ taken: Taken; event: Started | Refusal }> {
  const accept = (facts: VerifiedFacts) => {
    const event = hook.verified(run, facts, clock.now(), again);
    if (event.kind === 'refused') throw new Unwanted(event);
  };
  const { run: id, ref, artifact } = run;
  if (artifact === null) throw reportedError('ARTIFACT_NOT_FOUND', 'the run has no artifact');
  const taken = await take({ run: id, ref, artifact }, await folder.fresh(), accept);
  return { taken, event: hook.verified(run, taken.facts, clock.now(), again) };
}

async function refuse({ folder, tell }: HookPorts, event: Refusal, isFalse: boolean): Promise<Acted> {
  if (!isFalse) await folder.record(event);
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
  const { clock, folder, tell, execute } = ports;
  const { subject, artifact } = event;
  const began = clock.monotonic();
  const running: Promise<Outcome>[] = [];
  await folder.record(event, () => {
    tell({ event: 'started', subject, name, ref, artifact });
    running.push(execute(env));
  });
  const outcome = await running[0];
  // The hook ended before.
  if (outcome === undefined) return { kind: 'stopped' };
  await ended(ports, subject, outcome, clock.monotonic() - began);
  return outcome;
}

async function ended(
  { folder, tell }: HookPorts,
  subject: string,
  outcome: Outcome,
  ms: number,
): Promise<void> {
  await folder.record({ kind: 'ended', subject, outcome });
  tell({ event: 'ended', subject, outcome, says: outcomeText(outcome), ms });
}

/** Runs the command again for a handled run. @throws `HOOK_…` where it does not fit or is older than the last, as `takeTrusted` */
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

/** Asks, acts, and waits, until the hook is stopped, or after the first command. */
async function follow(
  ports: HookPorts,
  act: (listing: Listing) => Promise<Acted | undefined>,
): Promise<Outcome | undefined> {
  const { clock, folder, list, tell, once, pollMs = hookLimits.pollMs } = ports;
  for (const subject of folder.ledger.unfinished) await ended(ports, subject, { kind: 'unknown' }, 0);
  tell({ event: 'following' });
  let last: Outcome | undefined;
  let wait = pollMs;
  while (!clock.closing) {
    try {
      const listing = await list();
      wait = pollMs;
      const acted = await act(listing);
      if (acted?.outcome !== undefined) {
        last = acted.outcome;
        if (once) break;
      }
      // There may be more in the same listing.
      if (acted !== undefined) continue;
    } catch (error) {
      if (clock.closing) break;
      if (!(error instanceof QuorateError) || isOwn(error)) throw error;
      const message = escapeLine(error.message, hookLimits.textCharsMax);
      if (wait === pollMs) tell({ event: 'waiting', code: error.code, message });
      wait = Math.min(wait * 2, hookLimits.pollMsMax);
    }
    await pause(clock, wait);
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
