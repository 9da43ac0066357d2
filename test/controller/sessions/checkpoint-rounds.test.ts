import { describe, expect, it } from 'vitest';
import { nonceOf } from '../../../simulations/paperwork.ts';
import { documentLimits } from '../../../src/protocol/documents/limits.ts';
import { transparencyLimits, verifyConsistency } from '../../../src/protocol/transparency/index.ts';
import { Rounds, roundsOf, settled } from '../../protocol/sessions/rounds-desk.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import { projectOf } from '../machine/bench.ts';

const code = (value: string) => expect.objectContaining({ code: value });

describe('rounds of checkpoints', () => {
  it('end when all that are present have answered, and give the note with their lines', async () => {
    const rounds = await roundsOf('ada', 'bob');
    expect(rounds.pushed).toHaveLength(1);
    await rounds.answer('ada');
    expect(rounds.ended).toEqual([]);
    await rounds.answer('bob');
    const { log } = rounds.bench.controller.state;
    expect(rounds.ended).toMatchObject([{ size: log.size, root: log.root() }]);
    expect(await rounds.witnesses(rounds.ended[0]?.note)).toEqual(
      ['ada', 'bob'].map((name) => rounds.bench.id(name)),
    );
    expect(rounds.saved).toBe(rounds.ended[0]?.note);
  });

  it('end without those who say nothing, whose lines are still taken and reported', async () => {
    const rounds = await roundsOf('ada', 'bob');
    await rounds.answer('ada');
    await rounds.pass(4_999);
    expect(rounds.ended).toEqual([]);
    await rounds.pass(1);
    expect(rounds.ended).toHaveLength(1);
    await rounds.answer('bob');
    await rounds.pass(1_000);
    expect(rounds.ended).toHaveLength(2);
    expect(await rounds.witnesses(rounds.ended[1]?.note)).toHaveLength(2);
  });

  it('begin again when the log has grown, one at a time', async () => {
    const rounds = await roundsOf('ada');
    await rounds.bench.enrol('cy');
    await rounds.pass(3_000);
    // The first one is still open.
    expect(rounds.pushed).toHaveLength(1);
    await rounds.answer('ada');
    expect(rounds.pushed).toHaveLength(2);
    await rounds.answer('ada');
    await rounds.pass(60_000);
    expect([rounds.pushed.length, rounds.ended.length]).toEqual([2, 2]);
    const [first, second] = rounds.ended;
    const { log } = rounds.bench.controller.state;
    const proof = {
      from: first?.size ?? 0,
      fromRoot: first?.root ?? '',
      to: second?.size ?? 0,
      toRoot: second?.root ?? '',
      path: log.consistency(first?.size ?? 0, second?.size),
    };
    expect(verifyConsistency(proof)).toBe(true);
  });

  it('are put before a few workers in turn, and before all while a verdict waits', async () => {
    const names = Array.from({ length: 12 }, (_, n) => `op${n}`);
    const rounds = await roundsOf(...names);
    const asked = (n: number) => names.filter((name) => rounds.shown[n]?.includes(rounds.bench.id(name)));
    expect(asked(0)).toEqual(names.slice(0, 5));
    for (const name of asked(0)) await rounds.answer(name);
    expect(rounds.ended).toHaveLength(1);
    // A worker that was not asked may sign as well.
    await rounds.answer('op11');
    expect(await rounds.witnesses()).toHaveLength(6);
    // A verdict waits for others under the same checkpoint.
    rounds.urgent = true;
    rounds.rounds.look();
    await rounds.pass(1_000);
    expect(asked(1)).toEqual(names);
    rounds.urgent = false;
    for (const name of names) await rounds.answer(name);
    await rounds.bench.enrol('cy');
    await rounds.pass(1_000);
    expect(asked(2)).toEqual(names.slice(5, 10));
    for (const name of asked(2)) await rounds.answer(name);
    await rounds.bench.enrol('dan');
    await rounds.pass(1_000);
    expect(asked(3).sort()).toEqual(['op0', 'op1', 'op10', 'op11', 'op2']);
  });

  it('are always put before trusted workers', async () => {
    const names = Array.from({ length: 12 }, (_, n) => `op${n}`);
    const rounds = await roundsOf(...names, 'trusted');
    for (let n = 0; n < 4; n++) {
      expect(rounds.shown[n]).toContain(rounds.bench.id('trusted'));
      for (const name of [...names, 'trusted']) await rounds.answer(name);
      await rounds.bench.enrol(`more${n}`);
      await rounds.pass(1_000);
    }
  });

  it('are held again for lines of now, once a minute at most, and answer when they have ended', async () => {
    const rounds = await roundsOf('ada', 'trusted');
    for (const name of ['ada', 'trusted']) await rounds.answer(name);
    const first = rounds.rounds.current?.note;
    await rounds.pass(59_000);
    expect(await rounds.rounds.renewed()).toMatchObject({ note: first });
    expect(rounds.pushed).toHaveLength(1);

    await rounds.pass(1_000);
    const asked = rounds.rounds.renewed();
    await settled();
    expect(rounds.pushed).toHaveLength(2);
    for (const name of ['ada', 'trusted']) await rounds.answer(name);
    const renewed = await asked;
    expect(await rounds.witnesses(renewed?.note)).toHaveLength(2);
    expect(renewed?.members.every(({ time }) => time >= rounds.bench.now / 1000 + 60)).toBe(true);
    expect(renewed?.size).toBe(rounds.ended[0]?.size);

    // A silent witness is waited for as long as in any round.
    await rounds.pass(60_000);
    const alone = rounds.rounds.renewed();
    await settled();
    await rounds.answer('ada');
    await rounds.pass(5_000);
    const members = (await alone)?.members ?? [];
    const now = rounds.bench.now / 1000;
    // The line that it gave before stays: it may be away by now.
    expect(members.map(({ witness, time }) => [witness, time - now])).toEqual([
      [rounds.bench.id('trusted'), 60],
      [rounds.bench.id('ada'), 120],
    ]);
  });

  it('that anybody asks for, again and again, lose no line of who is away by now', async () => {
    const rounds = await roundsOf('ada', 'bob', 'cy');
    for (const name of ['ada', 'bob', 'cy']) {
      await rounds.answer(name);
      await rounds.pass(5_000);
      rounds.present.splice(0);
      await rounds.pass(60_000);
      void rounds.rounds.renewed();
      await settled();
    }
    expect(await rounds.witnesses()).toEqual(['ada', 'bob', 'cy'].map((name) => rounds.bench.id(name)));
  });

  it('take no line of another key, time, note or round', async () => {
    const rounds = await roundsOf('ada', 'bob');
    const sent = (line: string) => codeOf(() => rounds.answer('ada', { line }));
    expect(await sent(await rounds.line('bob'))).toBe('WITNESS_SENDER_MISMATCH');
    expect(await sent(await rounds.line('ada', undefined, 3600))).toBe('WITNESS_TIME');
    expect(await sent(await rounds.line('ada', undefined, -3600))).toBe('WITNESS_TIME');
    expect(await sent(await rounds.line('ada', await rounds.rounds.at(1)))).toBe('CHECKPOINT_BAD_SIGNATURE');
    expect(await sent(`${await rounds.line('ada')}more`)).toBe('CHECKPOINT_MALFORMED');
    await rounds.answer('ada', { size: 1 });
    expect(await rounds.witnesses()).toEqual([]);
    // Control.
    await rounds.answer('ada');
    expect(await rounds.witnesses()).toHaveLength(1);
  });

  it('take one line of an operator, however many hosts it has, and no more than there is room for', async () => {
    const operators = Array.from({ length: 45 }, (_, n) => `op${n}`);
    const rounds = await roundsOf('ada', ...operators, 'trusted');
    const twice = { operator: 'eve', hosts: 2, invite: nonceOf('eve') };
    for (const host of ['eve.1', 'eve.2']) {
      await rounds.bench.enrol(host, twice);
      rounds.bench.present(host);
      await rounds.answer(host);
    }
    expect(await rounds.witnesses()).toEqual([rounds.bench.id('eve.1')]);
    await rounds.answer('ada');
    for (const name of operators) await rounds.answer(name);
    const { note } = rounds.rounds.current ?? { note: '' };
    expect(note.length).toBeLessThanOrEqual(transparencyLimits.checkpointCharsMax);
    const before = await rounds.witnesses();
    expect(before.length).toBeGreaterThan(30);
    expect(before.length).toBeLessThan(45);
    await rounds.answer('trusted');
    const after = await rounds.witnesses();
    expect(after).toContain(rounds.bench.id('trusted'));
    expect(after).toHaveLength(before.length);
    expect(rounds.ended).toHaveLength(1);

    // Put before them once more: old lines go for those of now.
    await rounds.pass(60_000);
    void rounds.rounds.renewed();
    await settled();
    await rounds.answer('eve.2');
    for (const name of operators.toReversed()) await rounds.answer(name);
    const renewed = await rounds.witnesses();
    expect(renewed).not.toContain(rounds.bench.id('eve.1'));
    expect(renewed).toEqual(expect.arrayContaining(['eve.2', 'op44'].map((name) => rounds.bench.id(name))));
    expect(renewed).toHaveLength(before.length);
  });

  it('ask witnesses from outside, with proofs from what they know', async () => {
    const rounds = new Rounds(await projectOf('ada'));
    const outside = '\u2014 witness.example/w1 AAAAAAAAAAAA\n';
    const proofs: string[][] = [];
    rounds.outside = [
      {
        name: 'witness.example/w1',
        async ask({ prove }) {
          proofs.push(prove(1));
          return [outside];
        },
      },
      { name: 'broken', ask: async () => Promise.reject(new Error('it is down')) },
      { name: 'rude', ask: async () => ['no line', outside + outside] },
    ];
    await rounds.start();
    expect(proofs).toEqual([rounds.bench.controller.state.log.consistency(1)]);
    expect(rounds.ended[0]?.note.endsWith(outside)).toBe(true);
    expect(rounds.told.filter((says) => /broken|rude/.test(says))).toHaveLength(2);
  });

  it('begin at once while a verdict waits, and tell each line that comes', async () => {
    const rounds = await roundsOf('ada', 'bob');
    await rounds.answer('ada');
    await rounds.answer('bob');
    await rounds.bench.enrol('cy');
    rounds.rounds.look();
    await rounds.pass(900);
    // Control: without one, a second passes between two rounds.
    expect(rounds.pushed).toHaveLength(1);
    await rounds.pass(1_100);
    expect(rounds.pushed).toHaveLength(2);
    await rounds.answer('ada');
    await rounds.answer('bob');
    await rounds.pass(100);
    await rounds.bench.enrol('dan');
    rounds.urgent = true;
    const before = rounds.grown.length;
    rounds.rounds.look();
    await settled();
    expect(rounds.pushed).toHaveLength(3);
    await rounds.answer('bob');
    expect(rounds.grown.slice(before).map(({ members }) => members.map(({ operator }) => operator))).toEqual([
      ['bob'],
    ]);
    expect(rounds.ended).toHaveLength(2);
  });

  it('ask a witness from outside again, later and later, and wait for none that failed', async () => {
    const rounds = new Rounds(await projectOf('ada'));
    const asked: number[] = [];
    let down = true;
    rounds.outside = [
      {
        name: 'w.example',
        ask({ size }) {
          asked.push(size);
          return down
            ? Promise.reject(new Error('it is down'))
            : Promise.resolve(['\u2014 w.example AAAAAAAAAAAA\n']);
        },
      },
    ];
    await rounds.start();
    expect([asked.length, rounds.ended.length]).toEqual([1, 1]);
    await rounds.pass(1_999);
    expect(asked).toHaveLength(1);
    await rounds.pass(2_000 + 4_000 + 8_000);
    expect(asked).toHaveLength(4);
    expect(rounds.told).toHaveLength(1);

    // A round that begins meanwhile ends without it, and does not ask it before its time.
    await rounds.bench.enrol('cy');
    rounds.rounds.look();
    await rounds.pass(2_000);
    expect([asked.length, rounds.ended.length]).toEqual([4, 2]);
    down = false;
    await rounds.pass(16_000);
    const { size } = rounds.bench.controller.state.log;
    expect(asked.slice(4)).toEqual([size]);
    await rounds.pass(1_000);
    expect(rounds.ended.at(-1)).toMatchObject({ size, outside: ['\u2014 w.example AAAAAAAAAAAA\n'] });
    expect(rounds.told).toHaveLength(1);
  });

  it('are not asked of a witness from outside in vain for longer than five minutes at a time', async () => {
    const rounds = new Rounds(await projectOf('ada'));
    let asked = 0;
    rounds.outside = [
      {
        name: 'w.example',
        ask() {
          asked++;
          return Promise.reject(new Error('it is down'));
        },
      },
    ];
    await rounds.start();
    await rounds.pass(2 * 3600_000);
    expect(asked).toBeGreaterThan(24);
    expect(asked).toBeLessThan(40);
  });

  it('take one line of each witness from outside, and have room for all that a charter may name', async () => {
    const operators = Array.from({ length: 45 }, (_, n) => `op${n}`);
    const rounds = new Rounds(await projectOf(...operators), ...operators);
    rounds.bench.present(...operators);
    const lineOf = (n: number) => `\u2014 ${`w${n}.`.padEnd(128, 'x')} ${'A'.repeat(104)}\n`;
    const ask = (n: number) => async () => Array.from({ length: 24 }, (_, line) => lineOf(n + 10 * line));
    rounds.outside = Array.from({ length: documentLimits.charterWitnessesMax }, (_, n) => ({
      name: `w${n}`,
      ask: ask(n),
    }));
    await rounds.start();
    for (const name of operators) await rounds.answer(name);
    await rounds.pass(1_000);
    const { note, outside } = rounds.ended.at(-1) ?? { note: '' };
    expect(outside).toEqual(rounds.outside.map((_, n) => lineOf(n)));
    expect((await rounds.witnesses(note)).length).toBeGreaterThan(30);
    expect(note.length).toBeLessThanOrEqual(transparencyLimits.checkpointCharsMax);
    // A controller that took more would not start again.
    rounds.fresh();
    await rounds.start();

    // One that gives itself another name each time has one line nevertheless.
    rounds.outside = rounds.outside.map((one, n) => ({ ...one, ask: ask(n + 100) }));
    await rounds.pass(60_000);
    void rounds.rounds.renewed();
    await settled();
    expect(rounds.rounds.current?.outside).toEqual(rounds.outside.map((_, n) => lineOf(n + 100)));
  });

  it('go on after a restart with the checkpoint and the lines of before', async () => {
    const rounds = await roundsOf('ada');
    await rounds.answer('ada');
    const { note } = rounds.rounds.current ?? {};
    rounds.fresh();
    await rounds.start();
    expect(rounds.rounds.current?.note).toBe(note);
    expect(rounds.pushed).toHaveLength(1);
  });

  it('do not go on with the last checkpoint where the journal is behind it, and return it', async () => {
    const rounds = await roundsOf('ada');
    const older = await projectOf();
    const restored = new Rounds(older);
    restored.saved = rounds.saved;
    const { log } = rounds.bench.controller.state;
    expect(await restored.rounds.load()).toEqual({ size: log.size, root: log.root() });
    expect(restored.rounds.current).toBeUndefined();
    // Control: the one that belongs to it.
    rounds.fresh();
    expect(await rounds.rounds.load()).toBeUndefined();
    expect(rounds.rounds.current?.size).toBe(log.size);
  });

  it('do not begin on a journal that gives another log than the one that was signed', async () => {
    const rounds = await roundsOf('ada');
    const other = new Rounds(await projectOf('bob'));
    other.saved = rounds.saved;
    await expect(other.rounds.load()).rejects.toEqual(code('LOG_BEHIND_CHECKPOINT'));
  });

  it.each(['at', 'keep'] as const)(
    'nor where it is behind what was signed between two rounds: %s',
    async (what) => {
      const rounds = await roundsOf('ada');
      const older = await projectOf('ada');
      const { size } = older.controller.state.log;
      expect(rounds.rounds.current?.size).toBe(size);
      // Control: nothing more was signed.
      const restored = new Rounds(older);
      restored.saved = rounds.saved;
      await restored.rounds.load();
      await rounds.bench.enrol('cy');
      await rounds.rounds[what](size + 1);
      const { saved } = rounds;
      expect(saved).toContain(`\n${size + 1}\n`);
      // The round of the smaller one ends, and what is smaller is signed again.
      await rounds.answer('ada');
      expect(rounds.ended).toHaveLength(1);
      await rounds.rounds.at(size);
      expect(rounds.saved).toBe(saved);
      restored.saved = saved;
      expect(await restored.rounds.load()).toMatchObject({ size: size + 1 });
    },
  );

  it('begin on such a journal under another key, which is the way out where the right one is lost', async () => {
    const rounds = await roundsOf('ada');
    const older = await projectOf();
    const restored = new Rounds(older);
    restored.saved = rounds.saved;
    restored.signer = older.paper.keys.signer('the next controller');
    restored.retired = [older.paper.controller];
    restored.fresh();
    await restored.start();
    expect(restored.told).toEqual([expect.stringContaining('begins anew')]);
    expect(restored.pushed).toHaveLength(1);
    // Control: its own next start is held to what it signed.
    await older.enrol('cy');
    await restored.pass(10_000);
    const lost = new Rounds(await projectOf());
    lost.saved = restored.saved;
    lost.signer = restored.signer;
    expect(await lost.fresh().load()).toMatchObject({ size: older.controller.state.log.size });
  });
});
