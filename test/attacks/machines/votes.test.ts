import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../../src/core/documents/index.ts';
import { deliver, evil, isTrusted, openBench, playRound, right, twoOfThree } from './support.ts';

describe('a worker embeds unwanted code', () => {
  async function attack(policy: { agree: number; of: number }) {
    const bench = await openBench('on');
    await bench.members('mallory', 'bob', 'cy');
    const run = await bench.submit({ policy: { ...twoOfThree, ...policy } });
    const says: Record<string, Outcome> =
      policy.of === 1 ? { mallory: evil } : { mallory: evil, bob: right, cy: right };
    await playRound(bench, run, says);
    return { evil: isTrusted(bench, run), right: isTrusted(bench, run, right) };
  }

  it('and is outvoted', async () =>
    expect(await attack({ agree: 2, of: 3 })).toEqual({ evil: false, right: true }));
  it('control: and is believed where one receipt is enough', async () =>
    expect(await attack({ agree: 1, of: 1 })).toEqual({ evil: true, right: false }));
});

describe('many malicious workers', () => {
  async function attack(cosign: 'required' | 'none') {
    const bench = await openBench('on');
    await bench.members('trusted', 'm1', 'm2', 'm3');
    const run = await bench.submit({ policy: { ...twoOfThree, cosign } });
    if (cosign === 'required') await deliver(bench, await bench.lease('trusted'), { trusted: right });
    await playRound(bench, run, { m1: evil, m2: evil, m3: evil });
    return isTrusted(bench, run);
  }

  it('are contradicted by the trusted worker', async () => expect(await attack('required')).toBe(false));
  it('control: succeed where no co-signature is asked for', async () =>
    expect(await attack('none')).toBe(true));
});

describe('one person, many workers', () => {
  async function attack(guard: Parameters<typeof openBench>[0]) {
    const bench = await openBench(guard);
    for (const key of ['m1', 'm2', 'm3']) await bench.enrol(key, { operator: 'mallory', hosts: 3 });
    await bench.members('bob');
    const run = await bench.submit({ policy: twoOfThree });
    await playRound(bench, run, { m1: evil, m2: evil, m3: evil, bob: right });
    return isTrusted(bench, run);
  }

  it('have one vote', async () => expect(await attack('on')).toBe(false));
  it('control: decide alone where every host is an operator', async () =>
    expect(await attack({ off: 'vote-counted-twice' })).toBe(true));
});

describe('operators made up once an offer is known', () => {
  async function attack(when: 'before the offer' | 'after it') {
    const bench = await openBench('on');
    await bench.members('bob');
    if (when === 'before the offer') await bench.members('m1', 'm2');
    const run = await bench.submit({ policy: twoOfThree });
    if (when === 'after it') await bench.members('m1', 'm2');
    await playRound(bench, run, { m1: evil, m2: evil, bob: right });
    return isTrusted(bench, run);
  }

  it('get no slot', async () => expect(await attack('after it')).toBe(false));
  it('control: would have had the votes', async () => expect(await attack('before the offer')).toBe(true));
});

describe('silence used as a vote', () => {
  async function attack(agree: number) {
    const bench = await openBench('on');
    await bench.members('mallory', 'bob', 'cy');
    const run = await bench.submit({ policy: { ...twoOfThree, agree, of: agree === 1 ? 1 : 3 } });
    // Whoever else would have built is kept away: their leases run out.
    await bench
      .lease(...(agree === 1 ? ['mallory'] : ['mallory', 'bob', 'cy']))
      .then((leases) =>
        deliver(bench, new Map([...leases].filter(([key]) => key === 'mallory')), { mallory: evil }),
      );
    bench.drive(600_000);
    if (bench.run(run).phase.kind === 'pinning') bench.pinned(run);
    return isTrusted(bench, run);
  }

  it('shrinks nothing: one receipt of three slots is no agreement', async () =>
    expect(await attack(2)).toBe(false));
  it('control: is an agreement where the policy had been shrunk to who is left', async () =>
    expect(await attack(1)).toBe(true));
});

describe('one dissenter', () => {
  async function attack(agree: number) {
    const bench = await openBench('on');
    await bench.members('mallory', 'bob', 'cy');
    const run = await bench.submit({ policy: { ...twoOfThree, agree } });
    await playRound(bench, run, { mallory: evil, bob: right, cy: right });
    return isTrusted(bench, run, right);
  }

  it('does not keep the others from agreeing', async () => expect(await attack(2)).toBe(true));
  it('control: blocks everything where unanimity is asked for', async () =>
    expect(await attack(3)).toBe(false));
});

describe('a policy weakened on its way', () => {
  async function attack(guard: Parameters<typeof openBench>[0]) {
    const bench = await openBench(guard);
    await bench.members('m1', 'm2', 'm3');
    const run = await bench.submit({ policy: { ...twoOfThree, cosign: 'required' } });
    await playRound(bench, run, { m1: evil, m2: evil, m3: evil });
    return isTrusted(bench, run);
  }

  it('is not: the request says what is asked', async () => expect(await attack('on')).toBe(false));
  it('control: lets the operators decide alone', async () =>
    expect(await attack({ off: 'policy-weakened' })).toBe(true));
});

describe('a request below the floor', () => {
  async function attack(floor: { agree: number; of: number }) {
    const bench = await openBench('on');
    const charter = { epoch: 2, floor: { ...floor, cosign: 'none' as const, rounds: 8 } };
    bench.send({ kind: 'charter', charter: await bench.paper.charter(charter) });
    return bench.submit({ policy: { agree: 1, of: 1, cosign: 'none' } }).then(
      () => 'accepted',
      (error: Error) => /[A-Z]+_[A-Z_]+/.exec(error.message)?.[0],
    );
  }

  it('is refused', async () => expect(await attack({ agree: 2, of: 3 })).toBe('POLICY_BELOW_FLOOR'));
  it('control: is taken where the charter has no such floor', async () =>
    expect(await attack({ agree: 1, of: 1 })).toBe('accepted'));
});
