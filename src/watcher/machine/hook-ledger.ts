import { z } from 'zod';
import type { Handled } from '../../protocol/base/durability.ts';
import { unreachable } from '../../protocol/base/errors.ts';
import { keepNewest } from '../../protocol/base/maps.ts';
import type { Machine } from '../../protocol/sessions/loop.ts';
import { hookLimits } from './hook-limits.ts';

export type { HookErrorCode } from './error-codes.ts';

const outcomeSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('exit'), code: z.int() }),
  z.strictObject({ kind: z.literal('signal'), signal: z.string() }),
  /** Its time was up. */
  z.strictObject({ kind: z.literal('timeout') }),
  /** Ctrl-C of the hook. */
  z.strictObject({ kind: z.literal('stopped') }),
  z.strictObject({ kind: z.literal('not-started'), message: z.string() }),
  /** The hook ended in the middle: whether the command ran, and to what end, is not known. */
  z.strictObject({ kind: z.literal('unknown') }),
]);
export type Outcome = z.infer<typeof outcomeSchema>;

/** Where a run stands among those of the same repository, ref and job. */
const placeSchema = z.strictObject({
  repo: z.string(),
  ref: z.string(),
  name: z.string(),
  /** Log index at which the request was opened, as somebody else than the controller signed it too. */
  index: z.int().min(0),
  /** When its publisher says it asked, ISO 8601 in UTC. Absent of rules 1. */
  requested: z.string().optional(),
  /** The operator that asked. Absent of rules 1 and 2. */
  publisher: z.string().optional(),
});
export type Place = z.infer<typeof placeSchema>;

/** Events of a hook's journal. `subject`: a run, or an alarm (`disputed:<run>`, `revoked:<run>`, `equivocation:<sha256>`). */
export const ledgerEventSchema = z.discriminatedUnion('kind', [
  /** On disk before the command starts. */
  z.strictObject({
    kind: z.literal('started'),
    subject: z.string(),
    place: placeSchema.optional(),
    artifact: z.string().nullable(),
  }),
  z.strictObject({ kind: z.literal('ended'), subject: z.string(), outcome: outcomeSchema }),
  z.strictObject({ kind: z.literal('refused'), subject: z.string(), code: z.string(), message: z.string() }),
]);
export type LedgerEvent = z.infer<typeof ledgerEventSchema>;
export type Started = Extract<LedgerEvent, { kind: 'started' }>;
export type Refusal = Extract<LedgerEvent, { kind: 'refused' }>;

const entryShapes = {
  started: { state: z.literal('started'), at: z.number(), place: placeSchema.optional() },
  ended: { state: z.literal('ended'), at: z.number(), place: placeSchema.optional(), outcome: outcomeSchema },
  refused: { state: z.literal('refused'), at: z.number(), code: z.string(), message: z.string() },
};
const subject = z.string();
export const shownEntrySchema = z.discriminatedUnion('state', [
  z.strictObject({ subject, ...entryShapes.started }),
  z.strictObject({ subject, ...entryShapes.ended }),
  z.strictObject({ subject, ...entryShapes.refused }),
]);
export type ShownEntry = z.infer<typeof shownEntrySchema>;
type WithoutSubject<T> = T extends unknown ? Omit<T, 'subject'> : never;
export type Entry = WithoutSubject<ShownEntry>;

const run = z.string();
const problem = { code: z.string(), message: z.string() };
/** Output of a hook while it runs. `subject`: see `ledgerEventSchema`. */
export const hookToldSchema = z.discriminatedUnion('event', [
  z.strictObject({ event: z.literal('following') }),
  /** The controller cannot be reached, or members not be asked; told once until they can. */
  z.strictObject({ event: z.literal('waiting'), ...problem }),
  z.strictObject({ event: z.literal('retrying'), run, ...problem }),
  z.strictObject({ event: z.literal('refused'), run, ...problem }),
  z.strictObject({
    event: z.literal('started'),
    subject,
    name: z.string(),
    ref: z.string(),
    artifact: z.string().nullable(),
  }),
  /** `says`: the outcome for a person. */
  z.strictObject({
    event: z.literal('ended'),
    subject,
    outcome: outcomeSchema,
    says: z.string(),
    ms: z.number(),
  }),
]);
export type HookTold = z.infer<typeof hookToldSchema>;

type Line = Pick<Place, 'repo' | 'ref' | 'name'>;
const lineOf = ({ repo, ref, name }: Line): string => JSON.stringify([repo, ref, name]);

/** The run of a line that a command was started for last. */
export interface Last extends Pick<Place, 'index' | 'requested' | 'publisher'> {
  subject: string;
}

/** Subjects that a hook has handled, from the events of its journal. Pure. */
export class Ledger {
  readonly #entries = new Map<string, Entry>();
  /** By line: the run with the highest log index that a command was started for. */
  readonly #last = new Map<string, Last>();
  /** How many of these are of an operator. */
  readonly #linesOf = new Map<string, number>();

  apply(event: LedgerEvent, at: number): void {
    const before = this.#entries.get(event.subject);
    switch (event.kind) {
      case 'started': {
        const { place, subject } = event;
        this.#put(subject, { state: 'started', at, place });
        if (place === undefined) return;
        const last = this.#last.get(lineOf(place));
        if (last === undefined || place.index >= last.index) this.#putLast(place, subject);
        return;
      }
      case 'ended': {
        // A refusal has none.
        const { place } = (before ?? {}) as { place?: Place };
        return this.#put(event.subject, { state: 'ended', at, outcome: event.outcome, place });
      }
      case 'refused':
        return this.#put(event.subject, { state: 'refused', at, code: event.code, message: event.message });
    }
  }

  #putLast(place: Place, subject: string): void {
    const { index, requested, publisher } = place;
    this.#count(this.#last.get(lineOf(place))?.publisher, -1);
    this.#last.set(lineOf(place), { index, requested, publisher, subject });
    this.#count(publisher, 1);
  }

  #count(publisher: string | undefined, more: 1 | -1): void {
    if (publisher !== undefined) this.#linesOf.set(publisher, (this.#linesOf.get(publisher) ?? 0) + more);
  }

  #put(subject: string, entry: Entry): void {
    keepNewest(this.#entries, subject, entry, hookLimits.entriesMax);
  }

  get(subject: string): Entry | undefined {
    return this.#entries.get(subject);
  }

  /** The run of this line with the highest log index that a command was started for. */
  last(line: Line): Last | undefined {
    return this.#last.get(lineOf(line));
  }

  /** Whether there is room for a line of this operator that is not there yet. */
  hasRoomFor(publisher: string): boolean {
    const own = this.#linesOf.get(publisher) ?? 0;
    return this.#last.size < hookLimits.linesMax && own < hookLimits.linesPerPublisherMax;
  }

  /** Those whose command may have run to an end that is not known: started, and not ended. */
  get unfinished(): string[] {
    return [...this.#entries].flatMap(([subject, { state }]) => (state === 'started' ? [subject] : []));
  }

  /** Oldest first: what did not end with exit status 0. */
  get open(): ShownEntry[] {
    return [...this.#entries].flatMap(([subject, entry]) => (isGood(entry) ? [] : [{ subject, ...entry }]));
  }
}

export interface HookEffect {
  kind: 'execute';
  subject: string;
}

/** The hook's ledger as a machine. `started` is on disk before its effect, and replays drop effects: a command runs at most once. */
export class HookMachine implements Machine<LedgerEvent, HookEffect> {
  /** Version of its events, and of what comes of them. */
  static readonly rules = 3;
  readonly ledger = new Ledger();

  handle(given: LedgerEvent, now: number): Handled<HookEffect> {
    const event = ledgerEventSchema.safeParse(given).data ?? unreachable(given as never, 'event of a hook');
    this.ledger.apply(event, now);
    const effects: HookEffect[] =
      event.kind === 'started' ? [{ kind: 'execute', subject: event.subject }] : [];
    return { effects, durability: 'sync' };
  }

  nextDeadline(): undefined {
    return undefined;
  }
}

const succeeded = (outcome: Outcome): boolean => outcome.kind === 'exit' && outcome.code === 0;
const isGood = (entry: Entry): boolean => entry.state === 'ended' && succeeded(entry.outcome);

/** `exit status 3`, `killed by SIGKILL`. */
export function outcomeText(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'exit':
      return `exit status ${outcome.code}`;
    case 'signal':
      return `killed by ${outcome.signal}`;
    case 'timeout':
      return 'its time was up';
    case 'stopped':
      return 'stopped';
    case 'not-started':
      return `could not be started: ${outcome.message}`;
    case 'unknown':
      return 'interrupted: whether it ran is not known';
  }
}
