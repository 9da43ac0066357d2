import { expect, it } from 'vitest';
import { storePin } from '../../../src/runtime/store/keeper.ts';
import { keeping, peer, verdictOn } from './support.ts';

it('a start drops pins that a crash left, and forgets trees that the disk lost', async () => {
  const { context, keeper, roots, events } = await keeping([]);
  const { store, ledger } = context;
  const add = async (text: string) => await store.importBytes(Buffer.from(text), { into: store.public });
  const [kept, beside, left, others, lost] = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(add));
  if (!kept || !beside || !left || !others || !lost) throw new Error('five trees');
  await store.pin([kept, beside, left], storePin);
  await store.pin([others], 'another name');
  ledger.trees.set(kept, { bytes: 1, beside: [beside] });
  await keeper.reconcile();
  expect((await roots()).sort()).toEqual([kept, beside, others].sort());
  expect(events).toEqual([]);
  ledger.trees.set(lost, { bytes: 1, beside: [] });
  await keeper.reconcile();
  expect([...ledger.trees.keys()]).toEqual([kept]);
  expect(events).toMatchObject([{ level: 'warn', kind: 'lost', says: expect.stringMatching(/^1 trees/) }]);
});

it('announces again what it keeps a verdict of', async () => {
  const honest = await peer();
  const tree = await honest.add('good');
  const { run, text } = await verdictOn(tree);
  honest.bundles.set(run, text);
  const { context, keeper, told } = await keeping([honest]);
  keeper.hint({ run, tree, level: 'trusted' });
  await told('kept');
  context.ledger.trees.set('without one', { bytes: 1, beside: [] });
  const announced: string[] = [];
  Object.assign(context, { mesh: { provide: async (cid: string) => void announced.push(cid) } });
  await keeper.announceAgain();
  expect(announced).toEqual([tree]);
});
