import type { ControllerEffect, ControllerEvent } from '../src/controller/machine/events.ts';
import type { WorkerEffect, WorkerEvent } from '../src/worker/machine/events.ts';

/** One line of the trace: the controller's event and its effects. */
export function describeController(
  event: ControllerEvent,
  effects: readonly ControllerEffect[],
  name: (id: string) => string,
): string | undefined {
  if (event.kind === 'heartbeat' && effects.length === 0) return undefined;
  const said = effects.map((effect) => {
    if (effect.kind === 'progress') return `${effect.progress.kind}`;
    if (effect.kind !== 'reply') return effect.kind;
    return effect.reply.kind === 'error' ? effect.reply.code : effect.reply.kind;
  });
  return `${event.kind}${about(event, name)}${said.length === 0 ? '' : ` -> ${said.join(', ')}`}`;
}

function about(event: ControllerEvent, name: (id: string) => string): string {
  switch (event.kind) {
    case 'claim':
      return ` of ${name(event.claim.signer)}${event.claim.payload.pass === undefined ? '' : ' (passes)'}`;
    case 'receipt': {
      const { round, slot, outcome } = event.receipt.payload.predicate.quorate_receipt;
      const result =
        outcome.kind === 'aborted' ? 'aborted' : `exit ${outcome.code} ${outcome.artifact?.slice(-6) ?? ''}`;
      return ` of ${name(event.receipt.signer)} (round ${round}, slot ${slot}: ${result})`;
    }
    case 'resume':
    case 'detached':
    case 'passed':
    case 'absent':
    case 'cosigned':
    case 'cosign-refused':
      return ` of ${name(event.worker)}`;
    case 'present':
      return ` of ${name(event.grant.payload.sub)}`;
    case 'pinned':
      return event.ok ? ' well' : ' not';
    default:
      return '';
  }
}

/** One line of the trace: a worker's event and its effects. */
export function describeWorker(event: WorkerEvent, effects: readonly WorkerEffect[]): string | undefined {
  const said = effects.map((effect) =>
    effect.kind === 'claim' && effect.claim.pass !== undefined ? 'pass' : effect.kind,
  );
  if (said.length === 0 && (event.kind === 'offer' || event.kind === 'tick')) return undefined;
  const code = 'code' in event ? ` ${event.code}` : '';
  return `${event.kind}${code}${said.length === 0 ? '' : ` -> ${said.join(', ')}`}`;
}
