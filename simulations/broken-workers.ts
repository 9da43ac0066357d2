import type { Handled } from '../src/protocol/base/durability.ts';
import type { Credentials } from '../src/protocol/sessions/credentials.ts';
import type { RevocationBook } from '../src/protocol/sessions/revocation-book.ts';
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

/** The revocations that a worker knows, without its evidence of equivocation. */
export function withoutEvidence(book: RevocationBook): RevocationBook {
  return new Proxy(book, {
    get(target, name) {
      if (name === 'equivocationOf') return () => undefined;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Credentials that take any charter they know for the newest. */
export function content(credentials: Credentials): Credentials {
  return new Proxy(credentials, {
    get(target, name) {
      if (name === 'charter') return { ...target.charter, epoch: Number.MAX_SAFE_INTEGER };
      if (name === 'catchUp') return async () => {};
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Credentials that look for no other controller. */
export function incurious(credentials: Credentials): Credentials {
  return new Proxy(credentials, {
    get(target, name) {
      if (name === 'searchControllers') return async () => false;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** A machine of which the sessions see some answers changed; everything else is the real one. */
export function withMethods(
  machine: Worker,
  changed: {
    leaseOf?: (machine: Worker, lease: string) => ReturnType<Worker['leaseOf']>;
    isOpen?: (machine: Worker, lease: string) => boolean;
  },
): Worker {
  return new Proxy(machine, {
    get(target, name) {
      const method = changed[name as keyof typeof changed];
      if (method !== undefined) return (lease: string) => method(target, lease);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
