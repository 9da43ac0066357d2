import { describe, expect, it } from 'vitest';
import type { Bundle } from '../../../src/protocol/documents/index.ts';
import { makeProject, namedWitness, policy, type Recipe } from '../../support/project.ts';
import { verifyWithout } from './attack.ts';

/** A project that requires no co-signature, and trusts what it should not: the log that a consumer is shown. */
const open: Recipe = { own: null, policy: { ...policy, cosign: 'none' } };
/** A log for one consumer: what was revoked is not in it, say, or what was built never happened. */
const forked: Recipe = { ...open, log: (lines) => [...lines, 'enrol somebody worker for-this-consumer'] };
const shown = async (recipe: Recipe): Promise<Bundle> => (await makeProject(recipe)).bundle;

const names = ['w.example', 'v.example'];
const byRoot = (need: number): Recipe => ({
  charter: (charter) => ({ ...charter, witnesses: { need, keys: names.map(namedWitness) } }),
});
/** Everything that the controller's process can make up by itself. */
const invented: Recipe = {
  ...open,
  runs: ['m1', 'm2', 'm3'].map((operator) => ({ operator, builds: 'evil' })),
};

describe('the controller shows one consumer another log, where no co-signature is required', () => {
  const guard = 'WITNESS_OPERATORS_MISSING';

  it('no worker has signed that log', async () => {
    const bundle = await shown({ ...forked, witnesses: [] });
    expect((await verifyWithout([], bundle)).code).toBe(guard);
    expect(await verifyWithout([guard], bundle)).toMatchObject({ ok: true, level: 'trusted' });
  });

  it('nor one operator’s workers, however many, where two have to agree', async () => {
    const witnesses = [0, 1, 2].map((machine) => ({ operator: 'ada', machine }));
    const bundle = await shown({ ...forked, witnesses });
    expect((await verifyWithout([], bundle)).code).toBe(guard);
    expect(await verifyWithout([guard], bundle)).toMatchObject({ ok: true, level: 'trusted' });
  });

  it('their signatures of the true log prove nothing of another', async () => {
    const [, ...lines] = (await shown(open)).checkpoint.split('\n\n')[1]?.split(/(?<=\n)/) ?? [];
    const bundle = await shown({
      ...forked,
      witnesses: [],
      bundle: (valid) => ({ ...valid, checkpoint: valid.checkpoint + lines.join('') }),
    });
    expect(lines).toHaveLength(3);
    expect((await verifyWithout([], bundle)).code).toBe('CHECKPOINT_BAD_SIGNATURE');
  });

  it('with operators that it invented it succeeds: nothing but what the root names is a defence', async () => {
    expect(await verifyWithout([], await shown({ ...invented, log: forked.log }))).toMatchObject({
      ok: true,
      level: 'trusted',
    });
  });
});

describe('the controller invents operators that also witness, where no co-signature is required', () => {
  const guard = 'CHARTER_WITNESS_MISSING';

  it.each([
    ['none of the witnesses that the charter names has signed', 1, []],
    ['too few of them have', 2, ['w.example']],
    ['one of them has, twice', 2, ['w.example', 'w.example']],
    ['others have, whom it does not name', 1, ['u.example']],
  ])('%s', async (_what, need, namedWitnesses) => {
    const bundle = await shown({ ...invented, ...byRoot(need), namedWitnesses });
    expect((await verifyWithout([], bundle)).code).toBe(guard);
    expect(await verifyWithout([guard], bundle)).toMatchObject({ ok: true, level: 'trusted' });
  });
});
