import type { ControllerEvent } from '../../controller/events.ts';
import type { EventLog, JournalEntry, JournalRow } from '../loop.ts';

/**
 * The journal of a controller, replayed by what is on disk: the machine lets the receipts of a finished run go when its bundle
 * is stored, so the events that say so are left out for bundles that are not there any more. Such a run keeps its documents,
 * and its bundle is made again at the start, as after a crash before it was stored.
 */
export class StoredEvidence implements EventLog<ControllerEvent> {
  readonly #journal: EventLog<ControllerEvent>;
  /** Until the journal was replayed. */
  #names: ReadonlySet<string>;
  /** Runs whose bundle was stored once and is not there, as far as the journal was replayed. */
  readonly missing = new Set<string>();

  /** `names`: bundles that are stored, by run at least. */
  constructor(journal: EventLog<ControllerEvent>, names: ReadonlySet<string>) {
    this.#journal = journal;
    this.#names = names;
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
      if (event.kind === 'stored' && !this.#names.has(event.run)) this.missing.add(event.run);
      else yield row;
    }
    this.#names = new Set();
  }
}
