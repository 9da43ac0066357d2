import { describe, expect, it } from 'vitest';
import { nonceOf } from '../../../simulations/paperwork.ts';
import type { ControllerEffect, ControllerEvent } from '../../../src/controller/machine/events.ts';
import type { ControllerPorts } from '../../../src/controller/sessions/ports.ts';
import { VerdictWitnesses } from '../../../src/controller/sessions/verdict-witnesses.ts';
import { Loop } from '../../../src/protocol/sessions/loop.ts';
import { built, leasedRound } from '../../controller/machine/bench.ts';
import { Rounds, roundsOf } from './rounds-desk.ts';

const code = (value: string) => expect.objectContaining({ code: value });

describe('a controller whose event could not be written', () => {
  it('signs nothing of its log any more, whose last leaf the next life does not know', async () => {
    const rounds = await roundsOf('ada');
    const { bench } = rounds;
    const known = bench.controller.state.log.size;
    let isFull = false;
    const loop = new Loop<ControllerEvent, ControllerEffect>({
      machine: bench.controller,
      journal: {
        appendAll() {
          if (isFull) throw new Error('the disk is full');
        },
        sync() {},
        replay: () => [],
      },
      clock: { now: () => bench.now, monotonic: () => 0, after: () => () => {}, endOfTurn: queueMicrotask },
      perform() {},
      tick: { kind: 'tick' },
      failed: () => {
        rounds.closing = true;
      },
    });
    const next = async (epoch: number) =>
      loop.dispatch({ kind: 'charter', charter: await bench.paper.charter({ epoch }) });
    await next(2);
    // Control: one that was written is signed.
    expect(await rounds.rounds.at(known + 1)).toContain(`\n${known + 1}\n`);
    isFull = true;
    await next(3);
    expect(bench.controller.state.log.size).toBe(known + 2);
    await expect(rounds.rounds.at(known + 2)).rejects.toEqual(code('CONTROLLER_STOPPED'));
    const { saved, pushed } = rounds;
    await rounds.pass(10_000);
    expect([rounds.saved, rounds.pushed]).toEqual([saved, pushed]);
  });
});

describe('a verdict that waits for witnesses', () => {
  /** Two of three operators agree; `dan` and `eve`, who built nothing, are the only ones that are there. */
  async function waiting() {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } }, 'dan', 'eve');
    bench.witnessing = false;
    for (const [key, lease] of leases) await bench.deliver(key, lease, built);
    bench.pinned(run);
    bench.present('dan', 'eve');
    bench.send({ kind: 'absent', worker: bench.id('trusted') });
    const rounds = new Rounds(bench, 'dan', 'eve');
    await rounds.start();
    const verdicts = new VerdictWitnesses({
      get machine() {
        return bench.controller;
      },
      dispatch: async (event) => void bench.send(event),
      signing: { documents: { verifier: bench.paper.keys.verifier } },
    } as ControllerPorts);
    let seen = 0;
    /** Reports of the rounds since the last call. */
    const look = async () => {
      const reported = [...rounds.grown, ...rounds.ended];
      for (const one of reported.slice(seen)) await verdicts.check(one, false);
      seen = reported.length;
      return bench.result(run).level;
    };
    return { bench, rounds, look };
  }

  it('counts the line of a worker that has left since', async () => {
    const { bench, rounds, look } = await waiting();
    await rounds.answer('dan');
    bench.send({ kind: 'absent', worker: bench.id('dan') });
    expect(await look()).toBeNull();
    await rounds.answer('eve');
    expect(await look()).toBe('trusted');
  });

  it.each([
    ['the grant of then', 0],
    ['one that was given later', 180_000],
  ])(
    'counts a worker that signed before a restart and comes back with %s, whenever that is',
    async (_, ms) => {
      const { bench, rounds, look } = await waiting();
      await rounds.answer('dan');
      await rounds.pass(5_000);
      await bench.restart();
      bench.drive(ms);
      if (ms > 0) await bench.enrol('dan');
      rounds.fresh();
      await rounds.start();
      bench.present('eve');
      await rounds.answer('eve');
      await rounds.pass(60_000);
      expect(await look()).toBeNull();
      bench.present('dan');
      await rounds.answer('dan');
      await rounds.pass(60_000);
      expect(await look()).toBe('trusted');
      // Said again it changes nothing, and is not reported again.
      const reported = rounds.ended.length;
      await rounds.answer('dan');
      await rounds.pass(60_000);
      expect(rounds.ended).toHaveLength(reported);
    },
  );

  it('counts another host of an operator whose first one signed before a restart, and is gone', async () => {
    const { bench, rounds, look } = await waiting();
    await rounds.answer('dan');
    await rounds.pass(5_000);
    await bench.restart();
    rounds.fresh();
    await rounds.start();
    await bench.enrol('dan.2', { operator: 'dan', invite: nonceOf('another host') });
    bench.present('eve', 'dan.2');
    await rounds.answer('eve');
    await rounds.answer('dan.2');
    await rounds.pass(60_000);
    expect(await look()).toBe('trusted');
  });
});
