import type { Client } from '../../member/client.ts';
import { type AccountFacts, accountLine, accountOf, type NextStep } from '../../protocol/account/index.ts';
import { afterProgress, untold } from '../../protocol/account/told-facts.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { capitalised } from '../../protocol/base/quantity.ts';
import { receiptsMax } from '../../protocol/documents/limits.ts';
import type { Progress } from '../../protocol/wire/progress.ts';
import type { Context } from '../../terminal/context.ts';
import type { Output } from '../../terminal/output.ts';
import { type FailedResult, failedResults, withLogs } from './failure-report.ts';
import { toldState } from './job-list.ts';

/** A run that nobody has taken for so long is told with its account. */
export const idleMs = 20_000;
/** Wait after a build or an answer before the account is told: another operator may take a slot at once. */
export const restsMs = 3_000;
/** How often it is told how far the fetching of an artifact is. */
export const farMs = 5_000;

function stepText({ says, command }: NextStep): string {
  return `${escapeLine(capitalised(says), 500)}${command === undefined ? '' : `: ${escapeLine(command, 500)}`}`;
}

/** A next step, its command on a line of its own at a terminal. `head`: a label before it. */
export function sayStep(out: Output, step: NextStep, head = ''): void {
  const { says, command } = step;
  if (command === undefined || !out.isTerminal) return out.say(`${head}${stepText(step)}`);
  out.say(`${head}${stepText({ says })}:`);
  out.print(`${/ {2,}$/.test(head) ? ' '.repeat(head.length) : '  '}${escapeLine(command, 500)}`);
}

/** Progress after which a run may stand otherwise for good. */
const ends: ReadonlySet<Progress['kind']> = new Set(['verdict', 'cancelled', 'revoked']);

/** Progress that the evidence of a run may show. */
const provable: ReadonlySet<Progress['kind']> = new Set(['verdict', 'repeated', 'contradicted']);

/**
 * A line of `run --json`: what was told, and with the end of a run its account by all that was told until then. `isVerified`: by the
 * evidence, and not by the controller alone.
 */
export function runEvent(at: number, progress: Progress, facts: AccountFacts, isVerified = false): object {
  const { kind } = progress;
  const account = ends.has(kind) ? accountOf(facts) : undefined;
  const verified = provable.has(kind) ? isVerified : undefined;
  return { ...progress, event: kind, at, account, verified };
}

export type Until = 'agreed' | 'trusted';

type Verdict = Extract<Progress, { kind: 'verdict' }>;
/** A verdict of a level that evidence can prove. */
export interface Reached extends Pick<Verdict, 'artifact' | 'reports'> {
  level: Until | 'failed';
}

/** The facts of a run that is followed, by the events that were told. */
export class FollowedRun {
  readonly run: string;
  facts: AccountFacts;
  verdict: Verdict | undefined;
  /** Failed and aborted builds. */
  failed: FailedResult[] = [];
  /** The last comparison of its results. */
  compared: Extract<Progress, { kind: 'compared' }> | undefined;
  isContradicted = false;
  /** How it compares with an earlier run of the same job. */
  repeated: Extract<Progress, { kind: 'repeated' }> | undefined;

  constructor(run: string) {
    this.run = run;
    this.facts = untold(run);
  }

  take(progress: Progress): void {
    this.facts = afterProgress(this.facts, progress);
    if (progress.kind === 'compared') this.compared = progress;
    if (progress.kind === 'contradicted') this.isContradicted = true;
    this.failed = [...this.failed, ...failedResults([progress])].slice(-receiptsMax);
    // It stands no more: what it rests on is lost, or it is built again.
    if (this.facts.level === null) this.verdict = undefined;
    if (progress.kind === 'inputs' || progress.kind === 'reopened') this.repeated = undefined;
    if (progress.kind === 'repeated') this.repeated = progress;
    if (progress.kind === 'verdict') this.verdict = progress;
  }

  /** It was built again, to something else. */
  get differs(): boolean {
    return this.repeated?.same === false;
  }

  /** Whether the verdict that was just taken is the last event to wait for: the comparison with an earlier run comes after it. */
  isOver(until: Until, rebuild: boolean): boolean {
    const isFinal = this.verdict?.level !== 'agreed';
    return !(rebuild && isFinal) && (isFinal || until === 'agreed');
  }

  /** Its verdict, where that stands and evidence can prove it. */
  get provable(): Reached | undefined {
    if (this.verdict === undefined || this.facts.revoked !== undefined) return undefined;
    const { level, ...made } = this.verdict;
    return level === 'trusted' || level === 'agreed' || level === 'failed' ? { ...made, level } : undefined;
  }

  /** Its verdict, where that stands and is of this level or a higher one. */
  reached(until: Until): Reached | undefined {
    const verdict = this.provable;
    return verdict?.level === 'trusted' || verdict?.level === until ? verdict : undefined;
  }

  /** Takes the events that its evidence shows, where it was not told all of them. */
  takeShown(shows: readonly Progress[]): void {
    const { verdict, repeated } = this;
    const isTold = (shown: Progress): boolean => {
      if (shown.kind === 'contradicted') return this.isContradicted;
      if (shown.kind === 'repeated') return shown.same === repeated?.same;
      return (
        shown.kind === 'verdict' && shown.level === verdict?.level && shown.cosigned === verdict.cosigned
      );
    };
    if (!shows.every(isTold)) for (const shown of shows) this.take(shown);
  }

  get isFailed(): boolean {
    return this.verdict !== undefined && withLogs.has(this.verdict.level);
  }
}

/** Times that a note is put off because events of what it tells are still on their way. */
const putOffMax = 5;

/** Notes for whom a followed run waits, and what can be done, once nothing has happened for a while; each account once. */
export class WaitingNote {
  seen = 0;
  /** The trusted worker builds, or witnesses are told of: the account says no more. */
  #isAwaited = false;
  readonly #context: Context;
  readonly #client: Pick<Client, 'show'>;
  readonly #of: { run: string; name?: string };
  #timer: NodeJS.Timeout | undefined;
  #said: string | undefined;
  #everyMs: number | undefined;
  #putOff = 0;

  constructor(context: Context, client: Pick<Client, 'show'>, of: { run: string; name?: string }) {
    this.#context = context;
    this.#client = client;
    this.#of = of;
  }

  /** Takes the next event. `isDecided`: the run has a verdict. */
  after(progress: Progress, isDecided: boolean): void {
    this.seen++;
    switch (progress.kind) {
      case 'leased':
        if (progress.slot === 'trusted') this.#isAwaited = true;
        if (progress.slot !== 'trusted' || isDecided) this.stop();
        return;
      case 'passed':
      case 'delivered':
      case 'lost':
        return this.in(restsMs);
      case 'waiting':
      case 'revealed':
      case 'cosigning':
      case 'pin-failed':
        return this.stop();
      case 'agreed':
        return progress.artifact === null ? undefined : this.every(farMs);
      case 'unwitnessed':
        this.#isAwaited = true;
        return;
      case 'verdict':
        this.stop();
        if (progress.level === 'agreed' && !this.#isAwaited) this.in(idleMs);
        return;
    }
  }

  /** Tells it after so many milliseconds, unless it is stopped or asked for again before. */
  in(ms: number): void {
    this.stop();
    const timer = setTimeout(() => void this.#tell(timer), ms);
    this.#timer = timer;
  }

  /** The same again and again until it is stopped, as long as there is something new. */
  every(ms: number): void {
    this.in(ms);
    this.#everyMs = ms;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#everyMs = undefined;
  }

  /** Says nothing where the account cannot be had, as without a connection. */
  async #tell(timer: NodeJS.Timeout): Promise<void> {
    const { out } = this.#context;
    const { run, name } = this.#of;
    const shown = await this.#client.show(run).catch(() => undefined);
    if (this.#timer !== timer) return;
    if (this.#everyMs !== undefined) this.every(this.#everyMs);
    if (shown === undefined) return;
    // Waits for the events that the account follows from, so that it is told after them.
    if (shown.history.length > this.seen && this.#putOff++ < putOffMax) return this.in(restsMs);
    const account = accountOf(shown.summary);
    const line = escapeLine(accountLine({ ...account, state: toldState(account.state) }), 1000);
    if (account.over || account.state === 'building' || line === this.#said) return;
    this.#said = line;
    out.value({ event: 'account', name, run, ...account });
    const head = name === undefined ? '' : `${name}: `;
    for (const each of [line, ...account.next.map(stepText)]) out.note(`${head}${each}`);
  }
}
