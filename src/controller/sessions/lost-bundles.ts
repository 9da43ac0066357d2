import type { EventLog, JournalEntry, JournalRow } from '../../protocol/sessions/loop.ts';
import type { BundleDraft, ControllerEvent } from '../machine/events.ts';
import type { Controller } from '../machine/machine.ts';
import { publishedPartsOf } from '../machine/queries/draft.ts';
import { publishedOf, type Run } from '../machine/state.ts';
import { hasEvidence } from '../machine/verdicts/verdict.ts';

/** Texts by name, on disk for as long as a process lives. */
export interface Spool {
  /** Replaces the one of this name. False where there is no room. */
  write(name: string, text: string): boolean;
  /** Undefined where there is none, or it is not as it was written. */
  read(name: string): Promise<string | undefined>;
  /** Once nobody needs any of them any more. */
  end(): void;
}

/** Documents of runs whose bundle was stored once and is not there any more. */
export interface LostEvidence {
  /** Runs, in the order in which their bundles were stored. */
  readonly runs: readonly string[];
  /** Whether the bundle of its published verdict was lost, and can be made again. */
  has(run: string): boolean;
  /** The parts of the bundle of its published verdict; undefined where its bundle was not lost. */
  draft(run: string): Promise<BundleDraft | undefined>;
  /** Its bundle is there again. */
  made(run: string): void;
}

/**
 * A journal whose replay spools the documents of runs whose bundle is missing, at the moment when the machine drops them. Those of
 * open runs stay in memory until the bundle is made.
 */
export class LostBundles implements EventLog<ControllerEvent>, LostEvidence {
  readonly #journal: EventLog<ControllerEvent>;
  readonly #machine: Pick<Controller, 'state'>;
  readonly #spool: Spool;
  /** Until the journal was replayed. */
  #names: ReadonlySet<string>;
  /** Those without documents in the spool: they were open when their bundle was stored. */
  readonly #held = new Map<string, Run>();
  /** Ids of verdicts whose documents are in the spool, by run. */
  readonly #spooled = new Map<string, string>();
  /** Runs whose bundle is not made again in this life, as the spool has no room for their documents. */
  unspooled = 0;

  /** `names`: bundles that are stored, by run at least. `machine`: into which the journal is replayed. */
  constructor(
    journal: EventLog<ControllerEvent>,
    machine: Pick<Controller, 'state'>,
    names: ReadonlySet<string>,
    spool: Spool,
  ) {
    this.#journal = journal;
    this.#machine = machine;
    this.#names = names;
    this.#spool = spool;
  }

  get place(): string | undefined {
    return this.#journal.place;
  }

  appendAll(entries: readonly JournalEntry<ControllerEvent>[]): void {
    this.#journal.appendAll(entries);
  }

  sync(): void {
    this.#journal.sync();
  }

  *replay(): Generator<JournalRow<ControllerEvent>> {
    for (const row of this.#journal.replay()) {
      const { event } = row;
      if (event.kind === 'stored' && !this.#names.has(event.run)) {
        const run = this.#machine.state.runs.get(event.run);
        if (run !== undefined) this.#held.set(run.id, run);
      }
      yield row;
      for (const run of this.#held.values())
        if (this.#machine.state.runs.get(run.id) !== run) this.#write(run);
    }
    this.#names = new Set();
    for (const run of this.#spooled.keys()) if (!this.has(run)) this.#spooled.delete(run);
    for (const run of this.#held.keys()) if (!this.has(run)) this.#held.delete(run);
  }

  get runs(): string[] {
    return [...this.#spooled.keys(), ...this.#held.keys()];
  }

  has(id: string): boolean {
    const known = this.#machine.state.index.get(id);
    const published = known === undefined || !hasEvidence(known) ? null : publishedOf(known);
    const held = this.#held.get(id);
    const verdict = held === undefined ? this.#spooled.get(id) : publishedOf(held)?.verdict.id;
    return published !== null && published.verdict.id === verdict;
  }

  async draft(id: string): Promise<BundleDraft | undefined> {
    if (!this.has(id)) return undefined;
    const run = this.#held.get(id);
    if (run !== undefined) return publishedPartsOf(this.#machine.state, run);
    const text = await this.#spool.read(id);
    return text === undefined ? undefined : (JSON.parse(text) as BundleDraft);
  }

  made(run: string): void {
    this.#held.delete(run);
    if (this.#spooled.delete(run) && this.#spooled.size === 0) this.#spool.end();
  }

  /** Of a run whose documents the machine has just let go. */
  #write(run: Run): void {
    this.#held.delete(run.id);
    this.#spooled.delete(run.id);
    const verdict = publishedOf(run)?.verdict.id;
    const draft = publishedPartsOf(this.#machine.state, run);
    if (verdict === undefined || draft === undefined) return;
    if (this.#spool.write(run.id, JSON.stringify(draft))) this.#spooled.set(run.id, verdict);
    else this.unspooled++;
  }
}
