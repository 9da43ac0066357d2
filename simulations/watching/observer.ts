import type { PublishOrder } from '../../src/watcher/machine/events.ts';
import type { HookMachine } from '../../src/watcher/machine/hook-ledger.ts';
import type { WatchMachine } from '../../src/watcher/machine/machine.ts';
import type { Status } from '../../src/watcher/machine/status.ts';
import type { Project } from './project.ts';

/** A happening between the watcher, the hook and their surroundings. */
export type Seen =
  | { kind: 'refs-shown'; refs: ReadonlyMap<string, string> }
  /** A maintainer approves the commit of a pull request. */
  | { kind: 'approved'; ref: string; commit: string }
  /** The controller takes a request. */
  | { kind: 'published'; order: PublishOrder }
  | { kind: 'status'; commit: string; context: string; status: Status; project: Project }
  | { kind: 'executed'; subject: string; project: Project }
  /** Nothing failed for a long time. */
  | { kind: 'ended'; watcher: WatchMachine; hook: HookMachine; project: Project };

/** One invariant. Throws a `Violation` when it does not hold. */
export interface WatchChecker {
  readonly invariant: string;
  observe(seen: Seen): void;
}
