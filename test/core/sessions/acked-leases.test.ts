import { expect, it } from 'vitest';
import { AckedLeases } from '../../../src/core/sessions/worker/acked-leases.ts';
import { workerSessionLimits } from '../../../src/core/sessions/worker/limits.ts';

const promise = (ack: string) => ({ index: 5, leaf: 'receipt', ack, at: 0 });

it('a lease is shown with its ack, which the machine forgets with its result, until a checkpoint covers the receipt', () => {
  const acked = new AckedLeases();
  acked.keep('ack one', { lease: 'one', offer: 'its offer' });
  acked.keep('ack two', { lease: 'two' });
  const one = { lease: 'one', offer: 'its offer', ack: 'ack one' };
  expect(acked.of([promise('ack one'), promise('ack two')])).toEqual([one, { lease: 'two', ack: 'ack two' }]);
  expect(acked.of([promise('ack one')])).toEqual([one]);
  expect(acked.of([])).toEqual([]);
  expect(acked.of([promise('ack one')])).toEqual([]);
});

it('as many are kept as promises', () => {
  const acked = new AckedLeases();
  const acks = Array.from({ length: workerSessionLimits.promisesMax + 1 }, (_, n) => `ack ${n}`);
  for (const ack of acks) acked.keep(ack, { lease: ack });
  expect(acked.of(acks.map(promise))).toHaveLength(workerSessionLimits.promisesMax);
});
