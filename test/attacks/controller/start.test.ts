import { describe, expect, it } from 'vitest';
import { standIn } from '../../../simulations/keys.ts';
import { treeCid } from '../../../simulations/paperwork.ts';
import { Reader } from '../../../simulations/reader.ts';
import type { ControllerEffect, ControllerEvent } from '../../../src/controller/machine/events.ts';
import { Controller } from '../../../src/controller/machine/machine.ts';
import { ControllerSessions } from '../../../src/controller/sessions/controller-sessions.ts';
import type { ControllerPorts } from '../../../src/controller/sessions/ports.ts';
import type { Handled } from '../../../src/protocol/base/durability.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import type { Grant, Verified } from '../../../src/protocol/documents/index.ts';
import { RevocationBook } from '../../../src/protocol/sessions/revocation-book.ts';
import { Bench } from '../../controller/machine/bench.ts';
import { floor, type Make, minute, project, type Shows, Start, settle } from './starting.ts';

describe('members that never answer', () => {
  /** Hosts of these operators, who joined before the copy was made, each of which is there and says nothing. */
  async function attack(operators: readonly string[]) {
    const bench = new Bench();
    await bench.start({ floor });
    await bench.members('trusted', 'ada', 'bob');
    const hosts = operators.flatMap((operator) =>
      Array.from({ length: 64 / operators.length }, (_, n) => `${operator} ${n}`),
    );
    for (const host of hosts)
      await bench.enrol(host, {
        operator: host.slice(0, -2).trim(),
        hosts: 100,
        invite: `invite-of-${host.slice(0, -2).trim()}-xxxx`,
      });
    const start = new Start(bench, bench.journal.length);
    await start.after(0);
    for (const host of hosts) start.hello(host, { isSilent: true });
    return start;
  }

  it('of one operator do not keep others from being asked', async () => {
    const start = await attack(['mallory']);
    for (const name of ['ada', 'bob']) start.hello(name);
    expect(await start.after(minute)).toBe('started');
  });

  it('control: of as many operators as there are places they do, but for trusted workers', async () => {
    const names = Array.from({ length: 32 }, (_, n) => `mallory${n}`);
    const start = await attack(names);
    for (const name of ['ada', 'bob']) start.hello(name);
    expect(await start.after(29_000)).toBe('waits');
    start.hello('trusted');
    expect(await start.after(minute)).toBe('started');
  });

  it('and whose grants the stolen key of the identity provider signed, do not either', async () => {
    const start = await project();
    for (let n = 0; n < 64; n++) {
      const grant = await start.bench.paper.grant({
        ...start.bench.grantOf('ada').payload,
        sub: start.bench.id(`thief ${n}`),
        operator: `thief${n}`,
      });
      start.hello(`thief ${n}`, { isSilent: true }, grant);
    }
    expect(start.asked).toHaveLength(8);
    for (const name of ['ada', 'bob']) start.hello(name);
    expect(await start.after(minute)).toBe('started');
  });
});

describe('a trusted worker of two that gives leaves', () => {
  async function attack(shows: (start: Start) => Shows['leaves']) {
    const bench = new Bench();
    const trusted = ['trusted', 'second'].map((name) => bench.id(name));
    await bench.start({ floor, trusted });
    await bench.members('trusted');
    await bench.enrol('second', { role: 'trusted-worker' });
    const { length } = bench.journal;
    for (let n = 0; n < 20; n++) await bench.members(`op${n}`);
    const start = new Start(bench, length);
    bench.paper.charter = (
      (charter) => (over) =>
        charter({ ...over, trusted })
    )(bench.paper.charter.bind(bench.paper));
    await start.after(0);
    const note = await start.note();
    const given = shows(start);
    start.hello('trusted', { note, ...(given && { leaves: given }) });
    return { start, note };
  }
  /** One leaf after 5 s. */
  const slowly = (start: Start) => async (from: number) => {
    await new Promise<void>((resolve) => start.time.after(5_000, resolve));
    return (await start.kept(from)).slice(0, 1);
  };

  it.each<[string, (start: Start) => Shows['leaves']]>([
    ['one by one, slowly', slowly],
    [
      'that are not those of the log',
      (start) => async (from) => (await start.kept(from)).map(() => 'charter x'),
    ],
    ['without end', () => async () => Array.from({ length: 10_000 }, () => 'charter x')],
  ])('%s: the other one has them', async (_, shows) => {
    const { start, note } = await attack(shows);
    start.hello('second', { note, leaves: start.kept });
    expect(await start.after(80_000)).toBe('started');
    expect(start.state.log.leaves()).toEqual(start.bench.controller.state.log.leaves());
  });

  it('control: alone it is waited for', async () => {
    const { start } = await attack(slowly);
    expect(await start.after(10 * minute)).toBe('waits');
  });
});

/** With the guard off: a document that nobody has shown is not missed. */
class Careless extends Controller {
  override handle(event: ControllerEvent, now: number, rules?: number): Handled<ControllerEffect> {
    this.state.withheld.clear();
    return super.handle(event, now, rules);
  }
}

describe('a trusted worker that gives the leaves and withholds the revocation', () => {
  /** `mallory` joins and is revoked after the copy was made; its host shows the grant that it had. */
  async function attack(make: Make) {
    let grant: Verified<Grant> | undefined;
    const start = await project(async (bench) => {
      await bench.members('mallory');
      grant = bench.grantOf('mallory');
      await bench.revoke({ kind: 'operator', id: 'mallory' });
    }, make);
    start.hello('trusted', { note: await start.note(), leaves: start.kept });
    expect(await start.after(minute)).toBe('started');
    if (grant !== undefined) start.copy.send({ kind: 'readmit', grant });
    return { start, isMember: () => start.state.keys.has(start.bench.id('mallory')) };
  }

  it('does not have the revoked member readmitted; who comes later shows the revocation', async () => {
    const { start, isMember } = await attack((id, idp) => new Controller(id, idp));
    expect(isMember()).toBe(false);
    expect(start.state.revocations).toEqual([]);
    start.hello('ada', { revocations: await start.book() });
    await start.after(minute);
    expect(start.state.revocations).toEqual(start.bench.controller.state.revocations);
    expect(start.state.log.leaves()).toEqual(start.bench.controller.state.log.leaves());
    expect([...start.state.withheld]).toEqual([]);
    start.copy.send({ kind: 'readmit', grant: start.bench.grantOf('mallory') });
    expect(isMember()).toBe(false);
  });

  it('control: does, where that is not looked at', async () => {
    expect((await attack((id, idp) => new Careless(id, idp))).isMember()).toBe(true);
  });
});

describe('a trusted worker that the newest charter has left out, and that withholds that charter', () => {
  it('is trusted until somebody shows it', async () => {
    const start = await project(async (bench) => {
      const charter = await bench.paper.charter({ floor, epoch: 2, trusted: [] });
      bench.send({ kind: 'charter', charter });
    });
    const old = (await start.bench.paper.charter({ floor })).raw;
    start.hello('trusted', { note: await start.note(), leaves: start.kept, charter: old });
    expect(await start.after(minute)).toBe('started');
    expect(start.state.charter?.payload.epoch).toBe(1);
    const { take } = start.inquiry;
    start.inquiry.take = async (event) => {
      // The log has grown before its turn.
      await start.copy.members('dan');
      await take(event);
    };
    start.hello('ada');
    await start.after(minute);
    expect(start.state.charter?.payload).toMatchObject({ epoch: 2, trusted: [] });
    expect(start.state.epoch, 'it skips none for that').toBe(1_002);
  });
});

describe('a revocation that members know, and whose leaf is under no checkpoint', () => {
  async function attack(late: boolean, off = false) {
    const start = await project(async (bench) => {
      await bench.members('mallory');
    });
    const size = start.bench.controller.state.log.size;
    const note = await start.note(size);
    const kept = await start.kept(0);
    await start.bench.revoke({ kind: 'operator', id: 'mallory' }, { since: 0 });
    if (off) start.inquiry.revoke = async () => {};
    const revocations = await start.book();
    start.hello('trusted', { note, leaves: async (from) => kept.slice(from), ...(!late && { revocations }) });
    expect(await start.after(minute)).toBe('started');
    if (late) start.hello('ada', { revocations });
    await start.after(minute);
    return start.state.revocations.map(({ revocation }) => revocation.payload.what.id);
  }

  it.each([
    ['is shown at the start', false],
    ['is shown by who comes later', true],
  ])('is in the log again: it %s', async (_, late) => {
    expect(await attack(late)).toEqual(['mallory']);
  });

  it('control: is forgotten where nobody takes it', async () => {
    expect(await attack(false, true)).toEqual([]);
  });
});

/** With the guard off: members that joined after the copy was made are not counted. */
class Uncounted extends Controller {
  override handle(event: ControllerEvent, now: number, rules?: number): Handled<ControllerEffect> {
    this.state.joins.clear();
    return super.handle(event, now, rules);
  }
}

describe('a thief of the identity provider’s key that signs grants of an operator that joined after the copy', () => {
  async function attack(make: Make): Promise<number> {
    const start = await project((bench) => bench.members('cy'), make);
    start.hello('trusted', { note: await start.note(), leaves: start.kept });
    expect(await start.after(minute)).toBe('started');
    start.state.joins.set(start.bench.id('idp'), limits.joinsOfKeyMax - 2);
    for (let n = 0; n < 5; n++) {
      const sub = start.bench.id(`thief ${n}`);
      const grant = await start.bench.paper.grant({ ...start.bench.grantOf('cy').payload, sub });
      start.copy.send({ kind: 'readmit', grant });
    }
    return [...start.state.keys.values()].filter(({ operator }) => operator === 'cy').length;
  }
  it('has as many hosts as may join with tickets of one key', async () => {
    expect(await attack((id, idp) => new Controller(id, idp))).toBe(2);
  });
  it('control: as many as it likes', async () => {
    expect(await attack((id, idp) => new Uncounted(id, idp))).toBe(5);
  });
});

describe('a thief of the identity provider’s key that shows revocations without end', () => {
  it('is asked for none where the journal does not know it, and is not answered for where it does', async () => {
    const start = await project();
    const { paper } = start.bench;
    const book = await RevocationBook.open(paper.project, standIn.verifier);
    const charter = await paper.charter({ floor });
    const page = async (
      nth: number,
    ): Promise<{ charters: string[]; revocations: string[]; next: string }> => {
      const revocations: string[] = [];
      let next = '';
      for (let n = 0; n < 400; n++) {
        const job = { kind: 'job', id: treeCid(`${nth} ${n}`) } as const;
        const { raw, id } = await paper.revocation(job, 0, start.bench.now);
        revocations.push(raw);
        next = id;
      }
      return { charters: [charter.raw], revocations, next };
    };
    const made = await Promise.all([0, 1, 2, 3, 4].map(page));
    let asked = 0;
    const endless = Object.assign(Object.create(book), {
      page: () => made[asked++ % made.length],
      evidence: () => [],
    }) as RevocationBook;
    const thief = await paper.grant({ ...start.bench.grantOf('ada').payload, sub: start.bench.id('thief') });
    start.hello('thief', { revocations: endless }, thief);
    await start.after(1_000);
    expect(asked).toBe(0);
    start.hello('ada', { revocations: endless });
    for (let turn = 0; turn < 200; turn++) await settle();
    expect(asked).toBe(3);
    expect(start.inquiry.waits).toMatchObject({ operators: 2 });
  });
});

describe('events while a controller starts', () => {
  it('are dropped before members have answered, and taken where they follow from what these said', async () => {
    const bench = new Bench();
    const handled: string[] = [];
    const inquiry = {
      isOpen: false,
      run: async () => {
        // A message that nobody asked for, while it asks.
        await sessions.dispatch({ kind: 'absent', worker: 'somebody' });
      },
      open: () => void Object.assign(inquiry, { isOpen: true }),
    };
    const sessions: ControllerSessions = new ControllerSessions({
      project: bench.paper.project,
      machine: bench.controller,
      inquiry,
      retired: [],
      signing: { signer: bench.paper.controller, documents: new Reader(standIn.verifier) },
      clock: { monotonic: () => 0, after: () => () => {}, closing: true, onClosing: () => () => {} },
      checkpointFile: { load: async () => undefined },
      dispatch: async (event: ControllerEvent) => {
        handled.push(event.kind);
        if (event.kind === 'started')
          sessions.perform({ kind: 'raise', event: { kind: 'answered', offer: 'of a round' } });
      },
      tell: () => {},
    } as unknown as ControllerPorts);
    const charter = await bench.paper.charter();
    await sessions.begin({ kind: 'started', charter } as Extract<ControllerEvent, { kind: 'started' }>);
    expect(handled).toEqual(['started', 'answered']);
  });
});
