import { Controller } from '../src/controller/machine/machine.ts';
import type { EventLog, JournalEntry, JournalRow } from '../src/protocol/sessions/loop.ts';
import type { Random } from './random.ts';

/** A process that is killed loses nothing that it wrote; a power cut takes events that were not synced with it. */
export type Crash = 'kill' | 'power cut';

/** The journal of a process, as it survives its crashes. */
export class SimulatedJournal<Event extends { kind: string }> implements EventLog<Event> {
  readonly events: JournalRow<Event>[] = [];
  /** Lengths to which a power cut may bring it back, the last one left out: a batch is on disk as a whole. */
  #unsynced: number[] = [];
  /** A planted bug: events are written only after their effects were carried out. */
  late = false;
  #unwritten: readonly JournalEntry<Event>[] = [];

  appendAll(entries: readonly JournalEntry<Event>[]): void {
    this.write();
    this.#unwritten = entries;
    if (!this.late) this.write();
  }

  sync(): void {
    this.#unsynced = [];
  }

  replay(): SimulatedJournal<Event>['events'] {
    return this.events;
  }

  /** Another one lies in its place from now on. */
  replaceWith(rows: readonly JournalRow<Event>[]): void {
    this.events.splice(0, this.events.length, ...rows);
    this.#unsynced = [];
    this.#unwritten = [];
  }

  /** With the bug: the events are written now. */
  write(): void {
    if (this.#unwritten.length === 0) return;
    this.#unsynced.push(this.events.length);
    this.events.push(...this.#unwritten.map((entry) => ({ ...entry, rules: Controller.rules })));
    this.#unwritten = [];
  }

  /** Removes the batches that a crash loses, `atLeast` so many. Returns the number of their events. */
  crash(how: Crash, random: Random, atLeast = 0): number {
    this.#unwritten = [];
    const { length } = this.events;
    const most = this.#unsynced.length;
    const lost = how === 'kill' ? 0 : random.int(Math.min(atLeast, most), most);
    this.events.length = [...this.#unsynced, length][most - lost] ?? length;
    this.#unsynced = [];
    return length - this.events.length;
  }
}
