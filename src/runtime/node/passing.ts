import type { ControllerEffect, ControllerEvent } from '../../core/controller/events.ts';
import type { WorkerEffect, WorkerEvent } from '../../core/worker/events.ts';

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

/**
 * Whether the controller refused this event, or had taken it before: it changed nothing, and need not be kept. Strangers may
 * send as many as they like, of up to eight megabytes each.
 */
export function idleAtController(event: ControllerEvent, effects: readonly ControllerEffect[]): boolean {
  if (!('token' in event)) return false;
  const [first, ...more] = effects;
  if (first?.kind !== 'reply' || first.token !== event.token) return false;
  if (first.reply.kind === 'error') return more.length === 0;
  switch (event.kind) {
    case 'renew':
      return true;
    case 'submit':
      // What is new opens a round.
      return more.length === 0;
    case 'receipt':
      // What is new is told to who follows.
      return !effects.some(({ kind }) => kind === 'progress');
    default:
      return false;
  }
}

const workerEvents: ReadonlySet<WorkerEvent['kind']> = new Set([
  'lending',
  'offer',
  'reserve',
  'declined',
  'leased',
  'published',
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
