import { expect, it } from 'vitest';
import { exited, treeCid } from '../../../simulations/paperwork.ts';
import { started } from './bench.ts';

const artifact = exited(treeCid('artifact'));

it('may lose what it has not built yet', async () => {
  const bench = await started();
  const offered = await bench.makeOffer();
  bench.offer(offered);
  expect(bench.durability).toBe('lazy');
  const lease = await bench.lease(offered);
  bench.send({ kind: 'leased', offer: offered.offer.id, lease });
  expect(bench.durability).toBe('lazy');
});

it('never loses a result it signed, published or deleted', async () => {
  const bench = await started();
  const { lease } = await bench.building();
  bench.built(lease, artifact);
  expect(bench.durability).toBe('sync');
  // The controller says it again.
  await bench.ack(lease);
  expect(bench.durability).toBe('lazy');
  bench.send({ kind: 'revealed', lease: lease.id });
  expect(bench.durabilityOf('publish')).toBe('sync');
  // It would be published once more.
  bench.send({ kind: 'published', lease: lease.id });
  expect(bench.durability).toBe('lazy');
  const { lease: second } = await bench.building('second');
  bench.built(second, artifact);
  bench.send({ kind: 'released', lease: second.id, code: 'LEASE_LOST', message: '' });
  expect(bench.durabilityOf('discard')).toBe('sync');
});

it('keeps nothing of what changes nothing', async () => {
  const bench = await started('trusted-worker');
  const { lease, offered } = await bench.building();
  bench.offer(offered);
  expect(bench.durability).toBe('none');
  bench.send({ kind: 'revealed', lease: lease.id });
  expect(bench.durability).toBe('none');
  bench.built({ id: 'a lease it does not hold' }, artifact);
  expect(bench.durability).toBe('none');
});
