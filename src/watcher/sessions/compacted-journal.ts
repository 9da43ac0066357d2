import type { EventLog, JournalEntry, JournalRow } from '../../protocol/sessions/loop.ts';
import type { WatchEvent } from '../machine/events.ts';
import type { WatchMachine } from '../machine/machine.ts';
import { keptState } from '../machine/state.ts';
import { watchSessionLimits } from './limits.ts';

interface ReplaceableLog extends EventLog<WatchEvent> {
  /** Puts one event in the place of all that there are. On disk when it returns. */
  replaceAll(event: WatchEvent, at: number): void;
}

/** The journal of a watcher: beyond `journalEventsMax` one event that holds the state takes the place of all. */
export class CompactedJournal implements EventLog<WatchEvent> {
  readonly #journal: ReplaceableLog;
  readonly #machine: WatchMachine;
  #events = 0;
  #at = 0;

  constructor(journal: ReplaceableLog, machine: WatchMachine) {
    [this.#journal, this.#machine] = [journal, machine];
  }

  get place(): string {
    return this.#journal.place ?? 'the journal';
  }

  appendAll(entries: readonly JournalEntry<WatchEvent>[]): void {
    this.#journal.appendAll(entries);
    this.#events += entries.length;
    this.#at = entries.at(-1)?.at ?? this.#at;
  }

  sync(): void {
    this.#journal.sync();
  }

  *replay(): Iterable<JournalRow<WatchEvent>> {
    for (const row of this.#journal.replay()) {
      [this.#events, this.#at] = [this.#events + 1, row.at];
      yield row;
    }
  }

  /** To be called while an effect is performed: the journal holds all that the machine has handled. */
  compact(): void {
    if (this.#events <= watchSessionLimits.journalEventsMax) return;
    const event: WatchEvent = { kind: 'state', state: keptState(this.#machine.state) };
    this.#journal.replaceAll(event, this.#at);
    // The state of this life is the one that a replay comes to.
    this.#machine.handle(event, this.#at);
    this.#events = 1;
  }
}
