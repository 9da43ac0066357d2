import { limits } from '../../protocol/base/limits.ts';
import { secondsOfIso } from '../../protocol/base/time.ts';
import type { VerifiedFacts } from '../../protocol/trust/index.ts';
import type { ListedRun } from './alarms.ts';
import type { HookErrorCode, Ledger, Refusal, Started } from './hook-ledger.ts';
import { hookLimits } from './hook-limits.ts';
import { matchesRef, type RefPattern } from './hook-refs.ts';

export interface TrustedRules {
  refs: readonly RefPattern[];
  /** Names of jobs; empty: every job. */
  jobs: readonly string[];
  /** Whether what nobody co-signed counts too. */
  uncosigned: boolean;
}

/** Codes after which another attempt cannot come to another answer. */
const finalCodes: readonly string[] = [
  'ARTIFACT_MISMATCH',
  'ARTIFACT_OF_TEST',
  'REF_MISMATCH',
  'SOURCE_MISMATCH',
  'RECIPE_MISMATCH',
];
/** Those of them that say that the evidence is about something else than was listed. */
const ofNotice: readonly string[] = ['ARTIFACT_MISMATCH', 'REF_MISMATCH'];
/** Codes that end no run: the hook waits for a signed log, or for a document that is in it. */
const waitingCodes: readonly string[] = ['CHECKPOINT_STALE', 'CHARTER_NOT_IN_FORCE', 'REVOCATION_WITHHELD'];
const isFinal = (code: string): boolean => finalCodes.includes(code) || code.endsWith('_REVOKED');

type Named = Pick<ListedRun, 'repo' | 'ref' | 'name'>;
type Said = Named & { run: string; artifact?: string | null };
const noticeOf = ({ run, repo, ref, name, artifact }: Said): string =>
  JSON.stringify([run, repo, ref, name, artifact]);
const sameLine = (a: Named, b: Named): boolean => a.repo === b.repo && a.ref === b.ref && a.name === b.name;

/**
 * Decides for which runs the command is started. Pure: what the controller lists are hints, that say which evidence is worth
 * getting; only verified facts start anything. Order of calls: `next` for a listing, then `failed` or `verified` for the run
 * that it named; the event that comes back goes into the journal and the ledger before it is acted on.
 */
export class TrustedHook {
  readonly #rules: TrustedRules;
  readonly #ledger: Ledger;
  /** Attempts of the runs that are still listed, and when the next one is due. */
  #tries = new Map<string, { count: number; waits: number; due: number }>();
  /** Listed runs whose evidence is about something else than was listed: it says nothing against the run. By `noticeOf`. */
  #false = new Set<string>();

  constructor(rules: TrustedRules, ledger: Ledger) {
    [this.#rules, this.#ledger] = [rules, ledger];
  }

  /**
   * Of a listing, newest first, the run whose evidence to get now. Of each line (repository, ref and job) it is the newest that is said to be
   * trusted and was not refused: none below one that was started, and none while a newer one is tried again.
   */
  next(runs: readonly ListedRun[], now: number): ListedRun | undefined {
    const listed = new Set(runs.map(({ run }) => run));
    this.#tries = new Map([...this.#tries].filter(([run]) => listed.has(run)));
    const notices = new Set(runs.map(noticeOf));
    this.#false = new Set([...this.#false].filter((notice) => notices.has(notice)));
    const taken: ListedRun[] = [];
    const due: ListedRun[] = [];
    for (const run of runs) {
      if (!this.#wants(run) || taken.some((newer) => sameLine(newer, run))) continue;
      const entry = this.#ledger.get(run.run);
      if (entry?.state === 'refused' || this.#false.has(noticeOf(run))) continue;
      taken.push(run);
      if (entry === undefined && (this.#tries.get(run.run)?.due ?? 0) <= now) due.push(run);
    }
    // The one that waits longest: no line keeps another from its turn.
    return due.at(-1);
  }

  #wants(run: ListedRun): boolean {
    return (
      run.level === 'trusted' &&
      run.artifact !== null &&
      run.test !== true &&
      run.revoked === undefined &&
      matchesRef(this.#rules.refs, run.ref) &&
      this.#isForJob(run.name)
    );
  }

  #isForJob(name: string): boolean {
    return this.#rules.jobs.length === 0 || this.#rules.jobs.includes(name);
  }

  /** Whether the evidence of a listed run is about something else. Then its refusal is not for the journal: a true notice of it may come. */
  isFalse(said: Said): boolean {
    return this.#false.has(noticeOf(said));
  }

  /** Its evidence, its files or the revocations could not be had, or do not hold. Undefined: it is tried again. */
  failed(said: Said, code: string, message: string, now: number): Refusal | undefined {
    const { run } = said;
    if (ofNotice.includes(code)) this.#false.add(noticeOf(said));
    const before = this.#tries.get(run) ?? { count: 0, waits: 0 };
    const isWaiting = waitingCodes.includes(code);
    const count = before.count + (isWaiting ? 0 : 1);
    const waits = before.waits + (isWaiting ? 1 : 0);
    if (isFinal(code) || count >= hookLimits.triesMax) {
      this.#tries.delete(run);
      return refusal(run, code, message);
    }
    const doublings = Math.min(count + waits - 1, hookLimits.doublingsMax);
    this.#tries.set(run, { count, waits, due: now + hookLimits.retryMs * 2 ** doublings });
    return undefined;
  }

  /** Its evidence holds under root key and revocations. `now` in ms since the epoch. `again`: the owner repeats a handled run. */
  verified(said: Said, facts: VerifiedFacts, now: number, again = false): Started | Refusal {
    if (facts.request !== said.run || !sameLine(said, facts)) {
      this.#false.add(noticeOf(said));
      const listed = `${said.name} at ${said.ref}`;
      const message = `the controller listed ${listed}; the evidence is about ${facts.name} at ${facts.ref}`;
      return refusal(said.run, 'HOOK_NOTICE_FALSE', message);
    }
    const refused = this.#refusalOf(said, facts, now, again);
    if (refused !== undefined) return refused;
    const { repo, ref, name, requested, publisher, artifact } = facts;
    const last = this.#ledger.last(facts);
    // A command that runs again keeps the index of its first start.
    const { index } = last?.subject === said.run ? last : facts;
    const place = { repo, ref, name, index, requested, publisher };
    return { kind: 'started', subject: said.run, place, artifact };
  }

  #refusalOf(said: Said, facts: VerifiedFacts, now: number, again: boolean): Refusal | undefined {
    const no = (code: HookErrorCode, message: string) => refusal(said.run, code, message);
    const { ref, name, artifact, kind, cosigners, index, place, requested, publisher } = facts;
    if (!matchesRef(this.#rules.refs, ref) || !this.#isForJob(name))
      return no('HOOK_NOTICE_FALSE', `${name} at ${ref} is not what this hook is for`);
    if (artifact === null || kind === 'test')
      return no('HOOK_NOTICE_FALSE', `${name} is a test, or has no artifact`);
    if (cosigners.length === 0 && !this.#rules.uncosigned)
      return no(
        'HOOK_NOT_COSIGNED',
        'no trusted worker signed it: whoever holds the controller can forge it',
      );
    const last = this.#ledger.last(facts);
    if (again && last?.subject === said.run) return undefined;
    if (place === 'controller')
      return no(
        'HOOK_PLACE_UNSIGNED',
        'it was not built for this request, and only the controller says where the answer stands in the log',
      );
    if (secondsOfIso(requested) > now / 1000 + limits.clockSkewSeconds)
      return no('HOOK_REQUEST_AHEAD', `its publisher asked at ${requested}, which is ahead of this clock`);
    if (last === undefined) {
      if (this.#ledger.hasRoomFor(publisher)) return undefined;
      const { linesMax, linesPerPublisherMax } = hookLimits;
      return no(
        'HOOK_LINES_FULL',
        `this hook has run for ${linesMax} refs and jobs, or for ${linesPerPublisherMax} that ${publisher} asked for`,
      );
    }
    if (index <= last.index)
      return no(
        'HOOK_OLDER',
        `it was opened at ${index} of the log; the command ran for a later one, opened at ${last.index}`,
      );
    if (last.requested !== undefined && requested < last.requested)
      return no(
        'HOOK_OLDER',
        `its publisher asked at ${requested}; the command ran for one that was asked for later, at ${last.requested}`,
      );
    return undefined;
  }
}

const refusal = (subject: string, code: string, message: string): Refusal => ({
  kind: 'refused',
  subject,
  code,
  message: message.slice(0, hookLimits.textCharsMax),
});
