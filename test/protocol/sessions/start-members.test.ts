import { describe, expect, it } from 'vitest';
import { nonceOf } from '../../../simulations/paperwork.ts';
import { askingError, type InquiryPorts, sayWait } from '../../../src/controller/sessions/start-inquiry.ts';
import { Bench } from '../../controller/machine/bench.ts';
import { floor, minute, Start, settle, started } from './start-desk.ts';

type Said = [kind: string, says: string];

/** A start that notes what it tells, word for word. */
async function telling(over: Partial<InquiryPorts> = {}): Promise<{ start: Start; said: Said[] }> {
  const said: Said[] = [];
  const start = await started({ tell: (_, kind, says) => void said.push([kind, says]), ...over });
  return { start, said };
}

describe('a member that says hello', () => {
  it('is asked once a charter is known, once at a time, and not again', async () => {
    const ada = (await started()).bench.id('ada');
    const early = await started({ journalLost: true }, 0);
    early.hello('ada');
    expect([early.asked, early.inquiry.waits]).toEqual([[], null]);
    await early.after(0);
    early.hello('ada');
    expect(early.asked).toEqual([ada]);
    const start = await started();
    await start.after(0);
    start.hello('ada');
    start.hello('ada');
    expect(start.asked).toEqual([ada]);
    await settle();
    // Its checkpoint, revocations, and leases.
    expect(start.asked).toEqual([ada, ada, ada]);
    start.hello('ada');
    await settle();
    expect(start.asked).toHaveLength(3);
  });

  it('is not asked for the grant of another project, nor for one that no identity provider signed', async () => {
    const start = await started();
    await start.after(0);
    const { paper } = start.bench;
    const { payload } = start.bench.grantOf('ada');
    for (const name of ['ada', 'trusted', 'thief'])
      start.hello(name, {}, await paper.grant({ ...payload, project: start.bench.id('another') }));
    const stranger = { ...(await paper.grant(payload)), signer: start.bench.id('nobody') };
    start.hello('thief', {}, stranger);
    expect(start.asked).toEqual([]);
    // A member that is known is asked whoever signed it.
    start.hello('ada', {}, stranger);
    start.hello('trusted', {}, stranger);
    expect(start.asked).toEqual(['ada', 'trusted'].map((name) => start.bench.id(name)));
  });

  it('is not asked for revocations where the journal does not know it', async () => {
    const start = await started();
    await start.after(0);
    start.hello('cy');
    await settle();
    expect(start.asked).toHaveLength(2);
  });

  it('has a place where eight of its operator, or sixty-four in all, have not answered', async () => {
    const bench = new Bench();
    await bench.start({ floor });
    await bench.members('trusted');
    const hosts: string[] = [];
    for (let operator = 0; operator < 9; operator++)
      for (let n = 0; n < 9; n++) {
        const host = `op${operator} ${n}`;
        hosts.push(host);
        const over = { operator: `op${operator}`, hosts: 9, invite: nonceOf(`op${operator}`) };
        await bench.enrol(host, over);
      }
    const start = new Start(bench, bench.journal.length);
    await start.after(0);
    const asked = (names: readonly string[]) => {
      const before = start.asked.length;
      for (const name of names) start.hello(name, { isSilent: true });
      return start.asked.length - before;
    };
    expect(asked(hosts.slice(0, 9))).toBe(8);
    expect(asked(hosts.slice(9, 72))).toBe(56);
    // The ninth operator has no other host there.
    expect(asked(hosts.slice(72))).toBe(0);
    expect(asked(['trusted'])).toBe(1);
    // After 30 s the places are free again.
    await start.after(30_000);
    expect(asked(hosts.slice(72))).toBe(8);
  });

  it('and gives no answer is told of, but not after the start, nor while the process ends', async () => {
    const silent = async (prepare: (start: Start) => void) => {
      const { start, said } = await telling();
      await start.after(0);
      start.hello('ada', { isSilent: true });
      prepare(start);
      said.length = 0;
      await start.after(30_000);
      return said.map(([kind]) => kind);
    };
    expect(await silent(() => {})).toEqual(['asking']);
    expect(await silent((start) => start.inquiry.open())).toEqual([]);
    expect(await silent(({ clock }) => void Object.assign(clock, { closing: true }))).toEqual([]);
  });

  it('after the start is asked for its checkpoint and charter alone, where nothing came back and nothing was withheld', async () => {
    const start = await started();
    await start.after(0);
    start.hello('trusted');
    expect(await start.after(minute)).toBe('starts');
    const taken: unknown[] = [];
    start.inquiry.take = async (event) => void taken.push(event);
    start.asked.length = 0;
    start.hello('ada');
    await settle();
    expect([start.asked, taken]).toEqual([[start.bench.id('ada'), start.bench.id('ada')], []]);
    // Of what was withheld a member is asked that the journal knows.
    start.copy.controller.state.withheld.set('a revocation', 0);
    const askedOf = async (name: string) => {
      start.asked.length = 0;
      start.hello(name);
      await settle();
      return start.asked.length;
    };
    expect([await askedOf('cy'), await askedOf('bob')]).toEqual([2, 3]);
  });
});

describe('a start that waits', () => {
  it('says for whom, once for each size that it hears of', async () => {
    const { start, said } = await telling();
    await start.after(0);
    start.hello('ada', { note: await start.note() });
    start.hello('bob');
    await start.after(minute);
    start.hello('cy');
    await start.after(minute);
    const kept = 'waits for a trusted worker that kept the leaves 4 to 4';
    expect(said).toEqual([
      [
        'asking',
        expect.stringMatching(/^asks the members .*; waits for a trusted worker \(.+\), or 2 operators$/),
      ],
      [
        'asking',
        expect.stringMatching(new RegExp(`^a member holds a checkpoint of 5 leaves .* has 4.*; ${kept}$`)),
      ],
    ]);
  });

  it('asks none but says so only where there are members to ask', async () => {
    const { start, said } = await telling({ alone: true });
    await start.after(0);
    expect(said.map(([kind]) => kind)).toEqual(['alone']);
    const none: string[] = [];
    const fresh = await started({ alone: true, tell: (_, kind) => void none.push(kind) }, 1);
    expect([await fresh.after(0), none]).toEqual(['starts', []]);
  });

  it('listens for the end of the process no longer than it waits', async () => {
    const start = await started();
    const listening = new Set<() => void>();
    start.clock.onClosing = (act) => {
      listening.add(act);
      return () => listening.delete(act);
    };
    await start.after(0);
    expect(listening.size).toBe(1);
    start.hello('trusted');
    expect(await start.after(minute)).toBe('starts');
    expect(listening.size).toBe(0);
  });

  it('tells where documents are withheld, and not otherwise', async () => {
    for (const ids of [[], ['a'], ['a', 'b']]) {
      const { start, said } = await telling();
      for (const id of ids) start.copy.controller.state.withheld.set(id, 0);
      start.inquiry.open();
      await start.inquiry.opened;
      const counts = said.map(([kind, says]) => [kind, /shown (\d) /.exec(says)?.[1]]);
      expect(counts).toEqual(ids.length === 0 ? [] : [['withheld', `${ids.length}`]]);
    }
  });

  it.each([
    [{ trusted: ['t'], operators: 2, leaves: 4, shown: 4 }, 'a trusted worker (t), or 2 operators'],
    [{ trusted: ['t', 'u'], operators: 0, leaves: 4, shown: 4 }, 'a trusted worker (t, u)'],
    [{ trusted: [], operators: 1, leaves: 4, shown: 4 }, '1 operator'],
    [{ trusted: [], operators: 0, leaves: 4, shown: 4 }, 'its members'],
    [{ trusted: ['t'], operators: 1, leaves: 4, shown: 5 }, 'a trusted worker that kept the leaves 4 to 4'],
  ])('is said in words: %o', (waits, says) => {
    expect(sayWait(waits)).toBe(says);
    const { code, message } = askingError({ waits });
    expect([code, message]).toEqual(['CONTROLLER_ASKING', expect.stringContaining(`it waits for ${says}`)]);
    expect(askingError({ waits: null }).message).toContain('it waits for its members');
  });
});
