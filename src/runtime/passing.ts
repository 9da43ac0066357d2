import type { ControllerEffect, ControllerEvent } from '../core/controller/events.ts';
import type { WorkerEffect, WorkerEvent } from '../core/worker/events.ts';

const controllerEvents: ReadonlySet<ControllerEvent['kind']> = new Set([
  'present',
  'absent',
  'claim',
  'resume',
  'detached',
  'heartbeat',
  'tick',
]);
const controllerEffects: ReadonlySet<ControllerEffect['kind']> = new Set(['progress', 'unoffer', 'release']);
const controllerReplies: ReadonlySet<string> = new Set(['standby', 'reserve', 'lease', 'error']);

/**
 * A lease that the controller forgets is lost to its worker like one that ran out; the next epoch's fence is above it.
 * All else that goes out rests on the log or on a promise.
 */
export function passingAtController(
  { kind }: ControllerEvent,
  effects: readonly ControllerEffect[],
): boolean {
  return (
    controllerEvents.has(kind) &&
    effects.every((effect) =>
      effect.kind === 'reply' ? controllerReplies.has(effect.reply.kind) : controllerEffects.has(effect.kind),
    )
  );
}

const workerEvents: ReadonlySet<WorkerEvent['kind']> = new Set([
  'offer',
  'reserve',
  'declined',
  'leased',
  'detached',
  'tick',
]);
const workerEffects: ReadonlySet<WorkerEffect['kind']> = new Set([
  'claim',
  'build',
  'resume',
  'poll',
  'note',
]);

/** A worker that forgets a lease builds nothing for it, as after a crash in mid-build. */
export function passingAtWorker({ kind }: WorkerEvent, effects: readonly WorkerEffect[]): boolean {
  return workerEvents.has(kind) && effects.every((effect) => workerEffects.has(effect.kind));
}
