/**
 * How durable an event must be before its effects are carried out.
 *
 * - `none`: the event changed nothing; the journal need not hold it.
 * - `lazy`: it is written, and may be lost on power failure together with every later one that was not synced.
 * - `sync`: it is on disk, with every event before it.
 */
export type Durability = 'none' | 'lazy' | 'sync';

/** The answer of a state machine to one event. */
export interface Handled<Effect> {
  effects: Effect[];
  durability: Durability;
  /** The result of the event, which a replay must come to again; absent where it left nothing that lasts. */
  record?: string;
}
