import { describe, expect, it } from 'vitest';
import {
  believesTheFirst,
  decidesBy,
  deliver,
  evil,
  type Guard,
  isTrusted,
  openBench,
  playRound,
  right,
  twoOfThree,
  type Weakness,
} from './support.ts';

describe('a worker embeds unwanted code', () => {
  async function attack(guard: Guard) {
    const bench = await openBench(guard);
    await bench.members('mallory', 'bob', 'cy');
    const run = await bench.submit({ policy: twoOfThree });
    await playRound(bench, run, { mallory: evil, bob: right, cy: right });
    return { evil: isTrusted(bench, run), right: isTrusted(bench, run, right) };
  }

  it('and is outvoted', async () => expect(await attack('on')).toEqual({ evil: false, right: true }));
  it('control: and is believed by a controller that takes one receipt for enough', async () =>
    expect(await attack(believesTheFirst)).toEqual({ evil: true, right: false }));
});

describe('many malicious workers', () => {
  async function attack(guard: Guard) {
    const bench = await openBench(guard);
    await bench.members('trusted', 'm1', 'm2', 'm3');
    const run = await bench.submit({ policy: { ...twoOfThree, cosign: 'required' } });
    await deliver(bench, await bench.lease('trusted'), { trusted: right });
    await playRound(bench, run, { m1: evil, m2: evil, m3: evil });
    return isTrusted(bench, run);
  }

  it('are contradicted by the trusted worker', async () => expect(await attack('on')).toBe(false));
  it('control: succeed with a controller that forgets the co-signature', async () =>
    expect(await attack({ off: 'policy-weakened' })).toBe(true));
});

describe('one person, many workers', () => {
  async function attack(guard: Guard) {
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
  async function attack(guard: Guard) {
    const bench = await openBench(guard);
    await bench.members('bob');
    const run = await bench.submit({ policy: twoOfThree });
    await bench.members('m1', 'm2');
    await playRound(bench, run, { m1: evil, m2: evil, bob: right });
    return isTrusted(bench, run);
  }
  /** An offer has no place in the log that operators would have to come before. */
  const anyTime: Weakness = ({ state }, event) => {
    for (const { rounds } of state.runs.values())
      for (const round of rounds) round.offer = { ...round.offer, index: Number.MAX_SAFE_INTEGER };
    return event;
  };

  it('get no slot', async () => expect(await attack('on')).toBe(false));
  it('control: decide where operators may join at any time', async () =>
    expect(await attack(anyTime)).toBe(true));
});

describe('silence used as a vote', () => {
  async function attack(guard: Guard) {
    const bench = await openBench(guard);
    await bench.members('mallory', 'bob', 'cy');
    const run = await bench.submit({ policy: twoOfThree });
    // Other builders are kept away: their leases run out.
    const leases = await bench.lease('mallory', 'bob', 'cy');
    await deliver(bench, new Map([...leases].filter(([key]) => key === 'mallory')), { mallory: evil });
    bench.drive(600_000);
    if (bench.run(run).phase.kind === 'pinning') bench.pinned(run);
    return isTrusted(bench, run);
  }

  it('shrinks nothing: one receipt of three slots is no agreement', async () =>
    expect(await attack('on')).toBe(false));
  it('control: is an agreement for a controller that takes what came for enough', async () =>
    expect(await attack(believesTheFirst)).toBe(true));
});

describe('one dissenter', () => {
  async function attack(guard: Guard) {
    const bench = await openBench(guard);
    await bench.members('mallory', 'bob', 'cy');
    const run = await bench.submit({ policy: twoOfThree });
    await playRound(bench, run, { mallory: evil, bob: right, cy: right });
    return isTrusted(bench, run, right);
  }

  it('does not keep the others from agreeing', async () => expect(await attack('on')).toBe(true));
  it('control: blocks everything for a controller that waits for all of M to agree', async () =>
    expect(await attack(decidesBy({ agree: 3 }))).toBe(false));
});

describe('an operator with a record of good builds', () => {
  async function attack(guard: Guard) {
    const bench = await openBench(guard);
    await bench.members('mallory', 'bob', 'cy');
    for (let n = 0; n < 5; n++) {
      const run = await bench.submit({ name: `job-${n}`, policy: twoOfThree });
      await playRound(bench, run, { mallory: right, bob: right, cy: right });
      expect(isTrusted(bench, run, right)).toBe(true);
    }
    const run = await bench.submit({ policy: twoOfThree });
    await playRound(bench, run, { mallory: evil, bob: right, cy: right });
    return isTrusted(bench, run);
  }

  it('has one vote in the next job, as everybody has', async () => expect(await attack('on')).toBe(false));
  it('control: is believed by a controller that takes one receipt for enough', async () =>
    expect(await attack(believesTheFirst)).toBe(true));
});

describe('a policy weakened on its way', () => {
  async function attack(guard: Guard) {
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
  async function attack(guard: Guard) {
    const bench = await openBench(guard);
    const floor = { agree: 2, of: 3, cosign: 'none' as const, rounds: 8 };
    bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2, floor }) });
    return bench.submit({ policy: { agree: 1, of: 1, cosign: 'none' } }).then(
      () => 'accepted',
      (error: Error) => /[A-Z]+_[A-Z_]+/.exec(error.message)?.[0],
    );
  }
  /** Takes any policy for high enough. */
  const noFloor: Weakness = ({ state }, event) => {
    const { charter } = state;
    if (charter === null || event.kind !== 'submit') return event;
    const floor = event.request.payload.policy;
    state.charter = { ...charter, payload: { ...charter.payload, floor } };
    return event;
  };

  it('is refused', async () => expect(await attack('on')).toBe('POLICY_BELOW_FLOOR'));
  it('control: is taken by a controller that does not look at the floor', async () =>
    expect(await attack(noFloor)).toBe('accepted'));
});
