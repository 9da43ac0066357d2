import { describe, expect, it } from 'vitest';
import type { StartInquiry } from '../../../src/controller/sessions/start-inquiry.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { sessionLimits, sessionTimes } from '../../../src/protocol/sessions/limits.ts';
import { projectOf } from '../../controller/machine/bench.ts';
import { codeOf } from '../../support/codes.ts';
import { Rounds, roundsOf, settled } from './rounds-desk.ts';

const asking = { isOpen: false, waits: null } as unknown as StartInquiry;

describe('a round', () => {
  it('does not begin before the start, nor while the process ends, and nothing is signed then', async () => {
    const rounds = new Rounds(await projectOf('ada'), 'ada');
    rounds.inquiry = asking;
    rounds.fresh();
    await rounds.start();
    await rounds.pass(5_000);
    expect([rounds.pushed, rounds.told, rounds.rounds.current]).toEqual([[], [], undefined]);
    expect(await codeOf(rounds.rounds.at(1))).toBe('CONTROLLER_ASKING');
    expect(await rounds.rounds.renewed()).toBeUndefined();

    const ending = await roundsOf('ada');
    await ending.answer('ada');
    const { size } = ending.rounds.current ?? { size: 0 };
    ending.closing = true;
    await ending.bench.enrol('cy');
    await ending.pass(5_000);
    expect([ending.pushed.length, ending.told]).toEqual([1, []]);
    expect(await codeOf(ending.rounds.at(size))).toBe('CONTROLLER_STOPPED');
    expect(await codeOf(ending.rounds.keep(size + 1))).toBe('CONTROLLER_STOPPED');
    // Signed before.
    await ending.rounds.keep(size);
  });

  it('begins again where its checkpoint could not be kept, and ends where that of its lines cannot', async () => {
    const rounds = new Rounds(await projectOf('ada'), 'ada');
    rounds.bench.present('ada');
    rounds.failure = new Error('full');
    await rounds.start();
    const told = 'no checkpoint was made: full';
    expect([rounds.pushed.length, rounds.told]).toEqual([0, [told]]);
    await rounds.pass(1_000);
    expect(rounds.told).toEqual([told, told]);
    rounds.failure = undefined;
    await rounds.pass(1_000);
    expect(rounds.pushed).toHaveLength(1);
    rounds.failure = new Error('full');
    await rounds.answer('ada');
    expect(rounds.ended).toHaveLength(1);
    expect(rounds.told).toEqual([told, told, 'a checkpoint was not kept: full']);
    rounds.failure = undefined;
    await rounds.bench.enrol('cy');
    await rounds.pass(1_000);
    await rounds.answer('ada');
    expect(rounds.saved).toBe(rounds.ended[1]?.note);
  });

  it('takes a line whose time is as far from the clock as it may be, and no further', async () => {
    const rounds = await roundsOf('ada', 'bob', 'cy');
    const max = limits.clockSkewSeconds + sessionTimes.roundMsMax / 1000;
    for (const [name, sign] of [
      ['ada', 1],
      ['bob', -1],
    ] as const) {
      const far = await rounds.line(name, undefined, sign * (max + 1));
      expect(await codeOf(rounds.answer(name, { line: far }))).toBe('WITNESS_TIME');
      await rounds.answer(name, { line: await rounds.line(name, undefined, sign * max) });
    }
    expect(await rounds.witnesses()).toHaveLength(2);
  });

  it('takes one line of a worker that is there, also where it sends it twice at once', async () => {
    const rounds = await roundsOf('trusted', 'bob');
    await Promise.all([rounds.answer('trusted'), rounds.answer('trusted')]);
    expect([rounds.grown.length, await rounds.witnesses()]).toEqual([1, [rounds.bench.id('trusted')]]);
    // It has answered: what it sends after that is not looked at.
    await rounds.answer('trusted', { line: 'no line' });
    rounds.bench.send({ kind: 'absent', worker: rounds.bench.id('bob') });
    await rounds.answer('bob');
    expect([rounds.grown.length, (await rounds.witnesses()).length]).toEqual([1, 1]);
    // Before the first round there is nothing to sign.
    const none = new Rounds(await projectOf());
    const line = await rounds.line('trusted');
    expect(await codeOf(none.rounds.witness(rounds.bench.id('trusted'), { size: 0, line }))).toBe('none');
  });

  it('takes a line of the life before once more, with the grant of its worker', async () => {
    const rounds = await roundsOf('ada');
    await rounds.answer('ada');
    rounds.fresh();
    await rounds.start();
    expect(rounds.rounds.current?.members.map(({ grant }) => grant)).toEqual([undefined]);
    for (let n = 0; n < 2; n++) {
      await rounds.answer('ada');
      await rounds.pass(2_000);
    }
    expect([rounds.grown.length, rounds.ended.length]).toEqual([1, 2]);
    expect(rounds.rounds.current?.members.map(({ grant }) => grant?.raw)).toEqual([
      rounds.bench.grantOf('ada').raw,
    ]);
  });

  it('reports the lines that come within a second of its end together', async () => {
    const rounds = await roundsOf('ada', 'bob', 'cy');
    await rounds.answer('ada');
    await rounds.pass(5_000);
    expect(rounds.ended).toHaveLength(1);
    await rounds.answer('bob');
    await rounds.pass(900);
    await rounds.answer('cy');
    await rounds.pass(900);
    expect(rounds.ended).toHaveLength(1);
    await rounds.pass(100);
    expect(rounds.ended.slice(1).map(({ members }) => members.length)).toEqual([3]);
    await rounds.pass(10_000);
    expect(rounds.ended).toHaveLength(2);
  });

  it('takes a line of a witness from outside of as many characters as it may have', async () => {
    const max = sessionLimits.namedLineCharsMax;
    const lineOf = (chars: number) => {
      const rest = ` ${'A'.repeat(104)}\n`;
      return `\u2014 ${'w'.repeat(chars - rest.length - 2)}${rest}`;
    };
    for (const [chars, taken] of [
      [max, 1],
      [max + 1, 0],
    ] as const) {
      const rounds = new Rounds(await projectOf('ada'));
      rounds.outside = [{ name: 'w', ask: async () => [lineOf(chars)] }];
      await rounds.start();
      expect(rounds.rounds.current?.outside).toHaveLength(taken);
    }
  });

  it('forgets that a witness from outside failed once it is no witness any more', async () => {
    const rounds = new Rounds(await projectOf('ada'));
    let asked = 0;
    const down = {
      name: 'w.example',
      ask() {
        asked++;
        return Promise.reject(new Error('it is down'));
      },
    };
    rounds.outside = [down];
    await rounds.start();
    await rounds.pass(6_000);
    expect([asked, rounds.told.length]).toEqual([3, 1]);
    rounds.outside = [];
    await rounds.bench.enrol('cy');
    await rounds.pass(1_000);
    rounds.outside = [down];
    await rounds.bench.enrol('dan');
    await rounds.pass(1_000);
    expect([asked, rounds.told.length]).toEqual([4, 2]);
    // It is not asked while the process ends.
    rounds.closing = true;
    await rounds.pass(60_000);
    expect(asked).toBe(4);
  });

  it('of before counts no line that comes once the next has begun, which ends in its time', async () => {
    const rounds = new Rounds(await projectOf('ada'), 'ada');
    const late = Promise.withResolvers<string[]>();
    let asked = 0;
    rounds.outside = [{ name: 'w', ask: () => (asked++ === 0 ? late.promise : Promise.resolve([])) }];
    await rounds.start();
    await rounds.pass(5_000);
    await rounds.bench.enrol('cy');
    await rounds.pass(1_000);
    expect(rounds.pushed).toHaveLength(2);
    const before = rounds.ended.length;
    late.resolve(['\u2014 w AAAAAAAAAAAA\n']);
    await settled();
    await rounds.pass(4_999);
    expect([rounds.grown.length, rounds.ended.length]).toEqual([0, before]);
    await rounds.pass(1);
    expect([rounds.grown.length, rounds.ended.length]).toEqual([0, before + 1]);
    expect(rounds.rounds.current?.outside).toEqual([]);
  });
});
