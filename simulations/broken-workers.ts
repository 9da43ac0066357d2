import type { Handled } from '../src/protocol/base/durability.ts';
import type { WorkerEffect, WorkerEvent } from '../src/worker/machine/events.ts';
import { Worker } from '../src/worker/machine/machine.ts';
import type { WorkerPorts } from '../src/worker/sessions/ports.ts';
import { exited, treeCid } from './paperwork.ts';
import type { Patches } from './patches.ts';

export const breakingPorts = (wrong: (ports: WorkerPorts) => Partial<WorkerPorts>) => (): Patches => ({
  workerPorts: (ports) => ({ ...ports, ...wrong(ports) }),
});

export class Forgetful extends Worker {
  override handle(event: WorkerEvent, now: number): Handled<WorkerEffect> {
    const handled = super.handle(event, now);
    if (event.kind !== 'revealed') return handled;
    const { effects } = super.handle({ kind: 'published', lease: event.lease }, now);
    return { ...handled, effects: [...handled.effects, ...effects] };
  }
}

export class Greedy extends Worker {
  override handle(event: WorkerEvent, now: number): Handled<WorkerEffect> {
    if (event.kind !== 'started') return super.handle(event, now);
    return super.handle({ ...event, lending: { ...event.lending, jobsAtOnce: 100 } }, now);
  }
}

export class Copier extends Worker {
  readonly #jobs = new Map<string, string>();

  override handle(event: WorkerEvent, now: number): Handled<WorkerEffect> {
    if (event.kind !== 'built') {
      const handled = super.handle(event, now);
      for (const effect of handled.effects)
        if (effect.kind === 'build') this.#jobs.set(effect.lease, effect.job.name);
      return handled;
    }
    const outcome = exited(treeCid(`${this.#jobs.get(event.lease)} with a back door`));
    return super.handle({ ...event, result: { ...event.result, outcome } }, now);
  }
}

/** An object of which some members are others; everything else is the real one. */
export function withMembers<T extends object>(real: T, others: Partial<T>): T {
  return new Proxy(real, {
    get(target, name) {
      if (Object.hasOwn(others, name)) return Reflect.get(others, name);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
