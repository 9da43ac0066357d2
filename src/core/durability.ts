/**
 * How durable an event must be before its effects are carried out.
 *
 * - `none`: the event changed nothing; the journal need not hold it.
 * - `lazy`: it is written, and may be lost on power failure together with every later one that was not synced.
 * - `sync`: it is on disk, with every event before it.
 */
export type Durability = 'none' | 'lazy' | 'sync';

/** What a state machine returns for one event. */
export interface Handled<Effect> {
  effects: Effect[];
  durability: Durability;
  /** What came of the event and must come of it again when it is replayed; absent where it left nothing that lasts. */
  record?: string;
}
