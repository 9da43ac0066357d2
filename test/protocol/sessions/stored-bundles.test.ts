import { beforeEach, describe, expect, it } from 'vitest';
import { publishedOf } from '../../../src/controller/machine/state.ts';
import { holdsVerdict } from '../../../src/controller/sessions/bundle.ts';
import { ControllerSessions } from '../../../src/controller/sessions/controller-sessions.ts';
import { LostBundles } from '../../../src/controller/sessions/lost-bundles.ts';
import type { ControllerPorts } from '../../../src/controller/sessions/ports.ts';
import { sessionTimes } from '../../../src/protocol/sessions/limits.ts';
import { A, B, built, deliverAll, other, projectOf } from '../../controller/machine/bench.ts';

import { Desk } from './desk.ts';

let desk: Desk;
beforeEach(async () => {
  desk = new Desk(await projectOf('ada', 'bob', 'cy'));
});

describe('a stored bundle that is not the one that was stored', () => {
  const damaged = { code: 'BUNDLE_DAMAGED' };
  /** One character of the file, under all of its names. */
  const damage = (text: string) => {
    for (const [name, found] of desk.stored)
      if (found === text) desk.stored.set(name, text.replace('"v":1', '"v":2'));
  };

  it.each(['run', 'job', 'artifact'])(
    'is not served by its %s, and made again at the next start',
    async (kind) => {
      const run = await desk.play('app', built);
      const before = desk.stored.get(run) ?? '';
      const names = { run, job: desk.bench.facts(run).jobId, artifact: A };
      const which = names[kind as keyof typeof names];
      const served = desk.serve();
      expect(await served.get(which)).toBe(before);
      damage(before);
      await expect(served.get(which)).rejects.toMatchObject(damaged);
      await expect(served.get(which)).rejects.toMatchObject(damaged);
      expect(desk.stored.has(which)).toBe(false);
      expect(desk.told).toEqual([{ kind: 'bundle', ...damaged, which, run }]);
      await desk.restart();
      for (const name of Object.values(names)) expect(await desk.serve().get(name)).toBe(before);
    },
  );

  it('or an older one of the same run, put back from a copy', async () => {
    const { bench } = desk;
    const { run, trusted } = await desk.agreed('app');
    const older = desk.stored.get(run) ?? '';
    expect(await desk.serve().get(run)).toBe(older);
    await bench.deliver('trusted', trusted, built);
    await desk.cosign(run);
    await desk.perform();
    const before = desk.stored.get(run);
    expect(await desk.levelOf(run)).toBe('trusted');
    for (const name of desk.stored.keys()) desk.stored.set(name, older);
    await desk.restart();
    expect(desk.stored.get(run)).toBe(older);
    await expect(desk.serve().get(A)).rejects.toMatchObject(damaged);
    await desk.restart();
    expect(await desk.serve().get(run)).toBe(before);
    expect(await desk.serve().get(A)).toBe(before);
  });

  it('is not taken for one while a later verdict of its run is being stored', async () => {
    const { bench } = desk;
    const run = await desk.play('app', built, other);
    const before = desk.stored.get(run) ?? '';
    bench.controller.state.unstored.add(run);
    damage(before);
    expect(await desk.serve().get(run)).toBe(desk.stored.get(run));
    bench.controller.state.unstored.delete(run);
    await expect(desk.serve().get(run)).rejects.toMatchObject(damaged);
  });

  it('is told by the run that proves its artifact, however many made the same', async () => {
    await desk.play('app', built);
    await desk.play('lib', built);
    const { index } = desk.bench.controller.state;
    let looks = 0;
    const beginning = index.beginning.bind(index);
    index.beginning = (which) => {
      looks++;
      return beginning(which);
    };
    const served = desk.serve();
    const before = desk.stored.get(A) ?? '';
    expect([await served.get(A), looks]).toEqual([before, 0]);
    damage(before);
    await expect(served.get(A)).rejects.toMatchObject(damaged);
  });

  it('is served as before where the journal is older than the hashes', async () => {
    const run = await desk.play('app', built);
    damage(desk.stored.get(run) ?? '');
    for (const { event } of desk.bench.journal) if (event.kind === 'stored') delete event.sha256;
    desk.bench.replay();
    expect(await desk.serve().get(run)).toBe(desk.stored.get(run));
    expect(desk.told).toEqual([]);
  });
});

describe('a bundle that was lost', () => {
  /** The next life begins, and nothing of its background is carried out. */
  const startWithout = async (lost: (name: string) => boolean = () => true): Promise<void> => {
    for (const name of [...desk.stored.keys()]) if (lost(name)) desk.stored.delete(name);
    desk.bench.replay(new Set(desk.stored.keys()));
    desk.lose();
    desk.puts.length = 0;
  };

  it.each(['run', 'job', 'artifact'])(
    'is made again for who asks for it by its %s, and told once',
    async (kind) => {
      const run = await desk.play('app', built);
      const before = desk.stored.get(run);
      const [notices, events] = [desk.notices.length, desk.bench.journal.length];
      await startWithout();
      const names = { run, job: desk.bench.facts(run).jobId, artifact: A };
      const served = desk.serve();
      const which = names[kind as keyof typeof names];
      expect(await Promise.all([served.get(which), served.get(which)])).toEqual([before, before]);
      for (const name of Object.values(names)) expect(desk.stored.get(name)).toBe(before);
      expect(desk.puts).toEqual([run]);
      expect([desk.notices.length, desk.bench.journal.length]).toEqual([notices, events]);
      expect(desk.bench.lost.runs).toEqual([]);
    },
  );

  it('is not found where it is of no run', async () => {
    await desk.play('app', built);
    await startWithout();
    expect(await desk.serve().get(B)).toBeUndefined();
    expect(desk.puts).toEqual([]);
  });

  it('takes the name of its job from no later run, in whichever order they are made', async () => {
    const first = await desk.play('app', built);
    desk.bench.now += 1000;
    const second = await desk.play('app', built);
    const { jobId } = desk.bench.facts(second);
    const before = [first, second, jobId, A].map((name) => desk.stored.get(name));
    expect(before[2]).toBe(before[1]);
    for (const order of [
      [first, second],
      [second, first],
    ]) {
      await startWithout();
      for (const run of order) await desk.serve().get(run);
      expect([first, second, jobId, A].map((name) => desk.stored.get(name))).toEqual(before);
    }
  });

  it('of an open run is that of its last verdict, also where it ended with that one', async () => {
    const { bench } = desk;
    const run = await bench.submit({ name: 'app' });
    await deliverAll(bench, await bench.lease('ada', 'bob', 'cy'), [built, built, built]);
    bench.pinned(run);
    await desk.perform();
    const before = desk.stored.get(run);
    bench.send({ kind: 'cancel', token: 'c', which: run, by: bench.id('publisher'), reason: 'wrong branch' });
    await desk.perform();
    expect(bench.controller.state.runs.size).toBe(0);
    await startWithout();
    expect(bench.controller.state.runs.size).toBe(0);
    expect(await desk.serve().get(run)).toBe(before);
  });

  it('is not made before this life has begun, which signs nothing until then', async () => {
    const run = await desk.play('app', built);
    await startWithout();
    const opened = Promise.withResolvers<void>();
    const inquiry = { isOpen: false, opened: opened.promise, waits: null };
    const clock = {
      closing: false,
      onClosing: () => () => {},
      after: (_ms: number, act: () => void) => act(),
    };
    const sessions = new ControllerSessions({
      ...desk.ports(),
      inquiry,
      clock,
    } as unknown as ControllerPorts);
    await expect(sessions.makeAgain(run)).rejects.toMatchObject({ code: 'CONTROLLER_ASKING' });
    expect(desk.puts).toEqual([]);
    Object.assign(clock, { after: () => () => {} });
    const made = sessions.makeAgain(run);
    Object.assign(inquiry, { isOpen: true });
    opened.resolve();
    await made;
    expect(desk.puts).toEqual([run]);
  });

  it('is made all the same where it takes longer than who asks for it is kept waiting', async () => {
    const run = await desk.play('app', built);
    await startWithout();
    const disk = Promise.withResolvers<void>();
    desk.disk = disk.promise;
    const waits: number[] = [];
    const clock = {
      closing: false,
      onClosing: () => () => {},
      after(ms: number, act: () => void) {
        waits.push(ms);
        act();
        return () => {};
      },
    };
    const sessions = new ControllerSessions({ ...desk.ports(), clock } as unknown as ControllerPorts);
    await expect(sessions.makeAgain(run)).rejects.toMatchObject({ code: 'BUNDLE_BUSY' });
    expect([waits, desk.puts]).toEqual([[sessionTimes.storeMs], []]);
    disk.resolve();
    await expect.poll(() => desk.puts, { interval: 1 }).toEqual([run]);
  });

  it('is noted where the evidence of today makes it another one', async () => {
    const run = await desk.play('app', built);
    await startWithout();
    const { bundles } = desk.bench.controller.state;
    const before = bundles.get(run);
    bundles.set(run, 'f'.repeat(64));
    await desk.serve().get(run);
    expect(bundles.get(run)).toBe(before);
    expect(desk.bench.journal.at(-1)?.event).toMatchObject({ kind: 'stored', run, sha256: before });
  });

  it('is not made again in this life where there is no room for its documents', async () => {
    const run = await desk.play('app', built);
    const { journal, controller } = desk.bench;
    const replayed = (hasRoom: boolean) => {
      desk.bench.replay();
      const rows = journal.map(({ event, now: at }) => ({ event, at }));
      const machine = desk.bench.fresh();
      const spool = new Map<string, string>();
      let ends = 0;
      const lost = new LostBundles({ replay: () => rows } as never, machine, new Set(), {
        write: (name, text) => hasRoom && spool.set(name, text) === spool,
        read: async (name) => spool.get(name),
        end: () => void ends++,
      });
      for (const { event, at } of lost.replay()) machine.handle(event, at);
      const [{ unspooled, runs }, has] = [lost, lost.has(run)];
      lost.made('another');
      const before = ends;
      lost.made(run);
      return { unspooled, runs, has, ends: [before, ends], after: lost.runs };
    };
    expect(controller.state.runs.size).toBe(0);
    expect(replayed(false)).toEqual({ unspooled: 1, runs: [], has: false, ends: [0, 0], after: [] });
    expect(replayed(true)).toEqual({ unspooled: 0, runs: [run], has: true, ends: [0, 1], after: [] });
  });

  it('is refused with what to do where its documents cannot be read', async () => {
    const run = await desk.play('app', built);
    await startWithout();
    desk.bench.lost.draft = async () => undefined;
    await expect(desk.serve().get(run)).rejects.toMatchObject({ code: 'BUNDLE_DAMAGED' });
  });
});

describe('the bundle of a verdict', () => {
  it('is known by the id of its statement, and by who co-signed it', async () => {
    const { bench } = desk;
    const { run, trusted } = await desk.agreed('app');
    const of = (id: string) => publishedOf(bench.facts(id))?.verdict.id ?? '';
    const agreed = [desk.stored.get(run) ?? '', of(run)] as const;
    await bench.deliver('trusted', trusted, built);
    await desk.cosign(run);
    await desk.perform();
    const cosigned = [desk.stored.get(run) ?? '', of(run)] as const;
    const by = bench.id('trusted');
    expect([
      holdsVerdict(...agreed, []),
      holdsVerdict(...agreed, [by]),
      holdsVerdict(...cosigned, [by]),
      holdsVerdict(...cosigned, []),
      holdsVerdict(...cosigned, [by, bench.id('ada')]),
      holdsVerdict(cosigned[0], agreed[1], []),
      holdsVerdict('no bundle', agreed[1], []),
    ]).toEqual([true, false, true, true, false, false, false]);
  });

  it('has a size under each of its names, and none under others', async () => {
    const run = await desk.play('app', built);
    const length = desk.stored.get(run)?.length;
    const served = desk.serve();
    expect(await Promise.all([run, A, B].map((name) => served.size(name)))).toEqual([
      length,
      length,
      undefined,
    ]);
  });

  it('is waited for while it is being stored, by who asks for it alone', async () => {
    const run = await desk.play('app', built);
    const { unstored } = desk.bench.controller.state;
    let waits = 0;
    const publisher = Object.assign(desk.publisher(), { storing: async () => void waits++ });
    const served = desk.serve(publisher);
    await served.get(run);
    expect(waits).toBe(0);
    unstored.add(run);
    await served.get(run);
    await served.get(B);
    expect(waits).toBe(1);
  });
});

describe('a start whose log lacks what members know', () => {
  it('takes a revocation before it goes on to the next', async () => {
    const inquiry = { isOpen: true } as { revoke?: (one: unknown) => Promise<void> };
    const taken = Promise.withResolvers<void>();
    const kinds: string[] = [];
    new ControllerSessions({
      ...desk.ports(),
      inquiry,
      dispatch: ({ kind }: { kind: string }) => {
        kinds.push(kind);
        return taken.promise;
      },
    } as unknown as ControllerPorts);
    let isDone = false;
    const done = inquiry.revoke?.({}).then(() => {
      isDone = true;
    });
    await new Promise(setImmediate);
    expect([isDone, kinds]).toEqual([false, ['revoke']]);
    taken.resolve();
    await done;
    expect(isDone).toBe(true);
  });
});

describe('a run whose documents are not to be had', () => {
  it.each([false, true])(
    'is not built again, which is told unless the node shuts down (%s)',
    async (closing) => {
      const run = 'f'.repeat(64);
      const [told, events]: [string[], unknown[]] = [[], []];
      const sessions = new ControllerSessions({
        ...desk.ports(),
        signing: { signer: desk.bench.paper.controller, nonce: () => 'n' },
        clock: { closing, after: () => () => {}, onClosing: () => () => {}, monotonic: () => 0 },
        lost: { draft: async () => undefined },
        tell: (_level: string, kind: string, says: string) => void told.push(`${kind}: ${says}`),
        dispatch: async (event: unknown) => void events.push(event),
      } as unknown as ControllerPorts);
      sessions.checkpoints.look = () => {};
      sessions.perform({ kind: 'recall', run });
      await new Promise((resolve) => setImmediate(resolve));
      const recalled = { kind: 'recalled', run, entropy: 'n', documents: null };
      expect(events).toEqual(closing ? [] : [recalled]);
      expect(told).toEqual(closing ? [] : [expect.stringContaining('recall: a run is not built again: ')]);
    },
  );
});
