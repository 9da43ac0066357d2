import { findLease, loseLease } from './rounds/leases.ts';
import { settle } from './rounds/settle.ts';
import { type EventOf, type Transition, unchanged } from './state.ts';

export function silent(transition: Transition, { lease }: EventOf<'silent'>): void {
  const run = transition.state.runs.get(transition.state.leases.get(lease) ?? '');
  if (run === undefined || findLease(run, lease) === undefined) return unchanged(transition);
  loseLease(transition, run, lease, 'the worker went silent');
  settle(transition, run);
}

export function failed(transition: Transition, { lease, worker, code, message }: EventOf<'failed'>): void {
  const run = transition.state.runs.get(transition.state.leases.get(lease) ?? '');
  if (run === undefined || findLease(run, lease)?.live.worker !== worker) return unchanged(transition);
  loseLease(transition, run, lease, `${code}: ${message}`);
  settle(transition, run);
}
