import { beforeEach, describe, expect, it } from 'vitest';
import { standIn } from '../../../simulations/keys.ts';
import { exited, treeCid } from '../../../simulations/paperwork.ts';
import { Reader } from '../../../simulations/reader.ts';
import { reportedError } from '../../../src/protocol/base/errors.ts';
import { bundleServer } from '../../../src/protocol/sessions/bundle-exchange.ts';
import { mirrorsOf } from '../../../src/protocol/sessions/mirrors.ts';
import type { Channel } from '../../../src/protocol/sessions/ports.ts';
import type { WorkerPorts } from '../../../src/worker/sessions/ports.ts';
import { Publication } from '../../../src/worker/sessions/publication.ts';
import { A, built, projectOf } from '../../controller/machine/bench.ts';
import { Desk } from '../../protocol/sessions/desk.ts';
import { codeOf } from '../../support/code-and-folder.ts';

let desk: Desk;
beforeEach(async () => {
  desk = new Desk(await projectOf('ada', 'bob', 'cy'));
});

/** Two ends of one channel in memory. */
function pair(): [Channel, Channel] {
  const ends = [0, 1].map(() => ({ inbox: [] as (Uint8Array | undefined)[], wake: () => {} }));
  const end = (own: number): Channel => ({
    peer: `peer ${1 - own}`,
    closed: false,
    send: async (message) => put(1 - own, message),
    receive: async () => {
      const { inbox } = ends[own] as (typeof ends)[number];
      while (inbox.length === 0)
        await new Promise<void>((resolve) => {
          (ends[own] as (typeof ends)[number]).wake = resolve;
        });
      return inbox.shift();
    },
    close: async () => put(1 - own, undefined),
    abort: () => put(1 - own, undefined),
  });
  const put = (to: number, message: Uint8Array | undefined) => {
    const { inbox, wake } = ends[to] as (typeof ends)[number];
    inbox.push(message);
    wake();
  };
  return [end(0), end(1)];
}

/** A worker of the desk's project that serves `artifact`, beside a controller that serves the desk's bundles. */
function worker(name: string, artifact: string) {
  const { paper } = desk.bench;
  const held = new Map<string, string>();
  const timers: (() => void)[] = [];
  let asked = 0;
  let now = 0;
  const server = bundleServer(desk.serve());
  const ports = {
    signing: { signer: paper.keys.signer(name), documents: new Reader(standIn.verifier) },
    clock: {
      monotonic: () => now,
      closing: false,
      after: (_ms: number, act: () => void) => {
        timers.push(act);
        return () => {};
      },
      onClosing: () => () => {},
    },
    credentials: {
      membership: { project: paper.project, charter: '', controllers: [{ id: 'controller', addrs: [] }] },
      controller: { id: 'controller', addrs: [] },
    },
    results: { has: async (root: string) => root === artifact, publish: async () => {}, pin: async () => {} },
    dispatch: () => {},
    revocations: { revoked: [] },
    bundles: {
      get: async (which: string) => held.get(which),
      put: async (keys: { run: string; artifact: string | null }, text: string) => {
        held.set(keys.run, text);
        if (keys.artifact !== null) held.set(keys.artifact, text);
      },
      artifacts: async () => [...held.keys()],
    },
    dial: async () => {
      asked++;
      const [near, far] = pair();
      void server.session(far);
      return near;
    },
    announce: async () => {},
    tell: () => {},
  } as unknown as WorkerPorts;
  const publication = new Publication(ports, { hear: async () => {} } as never);
  const serving = publication.serving({
    get: async (which) => held.get(which),
    size: async (which) => held.get(which)?.length,
  });
  return {
    ports,
    publication,
    serving,
    held,
    asked: () => asked,
    pass: (ms: number) => {
      now += ms;
    },
    ring: (count = timers.length) => {
      for (const act of timers.splice(0, count)) act();
    },
  };
}

const someone = 'another worker';
const request = '1'.repeat(64);

describe('a worker that built an artifact', () => {
  it('fetches its bundle at once where it is a mirror of it, or where no mirrors are named', async () => {
    await desk.play('app', built);
    for (const mirrors of [[desk.bench.id('ada'), someone], undefined]) {
      const ada = worker('ada', A);
      await ada.publication.onVerdict({ artifact: A, level: 'trusted', mirrors, request });
      expect(ada.held.get(A)).toBe(desk.stored.get(A));
    }
  });

  it('keeps one that proves its run trusted, where a controller that was restored shows the one before', async () => {
    const { run, trusted } = await desk.agreed('app');
    const before = desk.stored.get(run) ?? '';
    await desk.bench.deliver('trusted', trusted);
    await desk.cosign(run);
    await desk.perform();
    const ada = worker('ada', A);
    const hears = (level: string) =>
      ada.publication.onVerdict({ artifact: A, level, mirrors: undefined, request: run });
    await hears('trusted');
    const proof = desk.stored.get(run);
    expect(proof).not.toBe(before);
    desk.serve = () => ({ get: async () => before, size: async () => before.length }) as never;
    const other = worker('ada', A);
    other.held.set(run, proof ?? '');
    other.held.set(A, proof ?? '');
    await other.publication.onVerdict({ artifact: A, level: 'trusted', mirrors: undefined, request: run });
    expect([other.asked(), other.held.get(run)]).toEqual([1, proof]);
    // Of another run, or where it does not hold, there is nothing to keep.
    for (const held of [before, proof?.slice(0, 1_000) ?? '']) {
      other.held.set(run, held);
      await other.publication.onVerdict({ artifact: A, level: 'trusted', mirrors: undefined, request: run });
      expect(other.held.get(run)).toBe(before);
    }
  });

  it('fetches it later where it is none, once for all verdicts until then', async () => {
    await desk.play('app', built);
    const ada = worker('ada', A);
    for (const level of ['agreed', 'trusted', 'trusted'])
      void ada.publication.onVerdict({ artifact: A, level, mirrors: [someone], request });
    await new Promise((resolve) => setImmediate(resolve));
    expect([ada.asked(), ada.held.size]).toEqual([0, 0]);
    ada.ring();
    await expect.poll(() => ada.held.get(A)).toBe(desk.stored.get(A));
    expect(ada.asked()).toBe(1);
  });

  it('fetches it before, when it is asked for it', async () => {
    await desk.play('app', built);
    const ada = worker('ada', A);
    void ada.publication.onVerdict({ artifact: A, level: 'trusted', mirrors: [someone], request });
    await new Promise((resolve) => setImmediate(resolve));
    expect(await ada.serving.get('another artifact')).toBeUndefined();
    expect(ada.asked()).toBe(0);
    expect(await ada.serving.get(A)).toBe(desk.stored.get(A));
    expect(ada.asked()).toBe(1);
  });

  it('does not ask again for each who asks, while there is none', async () => {
    const ada = worker('ada', A);
    void ada.publication.onVerdict({ artifact: A, level: 'agreed', mirrors: [someone], request });
    await new Promise((resolve) => setImmediate(resolve));
    for (let n = 0; n < 5; n++) expect(await ada.serving.get(A)).toBeUndefined();
    expect(ada.asked()).toBe(1);
    ada.pass(1_999);
    expect(await ada.serving.get(A)).toBeUndefined();
    expect(ada.asked()).toBe(1);
    ada.pass(1);
    expect(await ada.serving.get(A)).toBeUndefined();
    expect(ada.asked()).toBe(2);
  });
});

describe('a bundle', () => {
  const told = (ada: ReturnType<typeof worker>) => {
    const says: string[] = [];
    Object.assign(ada.ports, { tell: (level: string, kind: string) => void says.push(`${level} ${kind}`) });
    return says;
  };
  const learn = (ada: ReturnType<typeof worker>) =>
    ada.publication.onVerdict({ artifact: A, level: 'trusted', mirrors: undefined, request });

  it('that does not hold for the artifact is not kept', async () => {
    const other = exited(treeCid('another'));
    await desk.play('app', other, other);
    const text = desk.stored.get(treeCid('another')) ?? expect.fail('it has a bundle');
    const ada = worker('ada', A);
    const says = told(ada);
    const served = bundleServer({ get: async () => text, size: async () => text.length });
    const dial = async () => {
      const [near, far] = pair();
      void served.session(far);
      return near;
    };
    Object.assign(ada.ports, { dial });
    await learn(ada);
    expect([says, ada.held.size]).toEqual([['warn bundle'], 0]);
  });

  it.each([
    [false, ['warn bundle']],
    [true, []],
  ])('that cannot be asked for is told of, unless the worker ends: %s', async (closing, says) => {
    const ada = worker('ada', A);
    const said = told(ada);
    const dial = async () => {
      Object.assign(ada.ports.clock, { closing });
      throw reportedError('MESH_RESET', 'gone');
    };
    Object.assign(ada.ports, { dial });
    await learn(ada);
    expect(said).toEqual(says);
  });
});

describe('a result whose bundle is waited for', () => {
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const published = async () => {
    const ada = worker('ada', A);
    await ada.publication.publish({ kind: 'publish', lease: 'lease', artifact: A, log: null });
    return ada;
  };

  it('has it asked for 200 times, then no more', async () => {
    const ada = await published();
    for (let n = 0; n < 205; n++) {
      ada.ring();
      await settled();
    }
    expect(ada.asked()).toBe(200);
  });

  it('is asked for no more once it is not served any more, or the worker ends', async () => {
    for (const end of [
      (ada: ReturnType<typeof worker>) => ada.publication.forget(A),
      (ada: ReturnType<typeof worker>) => void Object.assign(ada.ports.clock, { closing: true }),
    ]) {
      const ada = await published();
      ada.ring();
      await settled();
      end(ada);
      for (let n = 0; n < 3; n++) {
        ada.ring();
        await settled();
      }
      expect(ada.asked()).toBe(1);
    }
  });

  it('is not asked for later where it is gone by then, or the worker ends', async () => {
    for (const end of [{ closing: true }, { gone: true }]) {
      const ada = worker('ada', A);
      void ada.publication.onVerdict({ artifact: A, level: 'trusted', mirrors: [someone], request });
      await settled();
      if ('gone' in end) Object.assign(ada.ports.results, { has: async () => false });
      else Object.assign(ada.ports.clock, end);
      for (let n = 0; n < 3; n++) {
        ada.ring();
        await settled();
      }
      expect(ada.asked()).toBe(0);
    }
  });
});

describe('verdicts one after the other', () => {
  it('are fetched with the last one', async () => {
    await desk.play('app', built);
    const ada = worker('ada', A);
    for (let n = 0; n < 2; n++)
      void ada.publication.onVerdict({ artifact: A, level: 'agreed', mirrors: undefined, request });
    const settled = () => new Promise((resolve) => setImmediate(resolve));
    await settled();
    ada.ring(1);
    await settled();
    expect(ada.asked()).toBe(0);
    ada.ring(1);
    await expect.poll(() => ada.held.get(A)).toBe(desk.stored.get(A));
    expect(ada.asked()).toBe(1);
    // Forgotten with it: a later one is the first again.
    void ada.publication.onVerdict({ artifact: A, level: 'agreed', mirrors: undefined, request });
    await settled();
    ada.ring(1);
    await expect.poll(() => ada.asked()).toBe(2);
  });

  it('of an artifact that is not here are left alone', async () => {
    await desk.play('app', built);
    const ada = worker('ada', 'another');
    await ada.publication.onVerdict({ artifact: A, level: 'trusted', mirrors: undefined, request });
    expect([ada.asked(), ada.held.size]).toEqual([0, 0]);
  });
});

describe('a result that was published', () => {
  it('is new for ten minutes, whatever room it takes', async () => {
    const ada = worker('ada', A);
    await ada.publication.publish({
      kind: 'publish',
      lease: 'lease',
      artifact: A,
      log: 'its log',
      test: true,
    });
    ada.pass(600_000);
    expect([
      ada.publication.isNew(A),
      ada.publication.isNew('its log'),
      ada.publication.isNew('other'),
    ]).toEqual([true, true, false]);
    ada.pass(1);
    expect(ada.publication.isNew(A)).toBe(false);
  });

  it.each([
    ['STORE_BLOCK_MISSING', 'published'],
    ['STORE_DISK_FULL', 'STORE_DISK_FULL'],
  ])('and cannot be kept for %s: %s', async (code, end) => {
    const ada = worker('ada', A);
    const events: string[] = [];
    Object.assign(ada.ports.results, {
      pin: async () => {
        throw reportedError(code, 'no');
      },
    });
    Object.assign(ada.ports, { dispatch: ({ kind }: { kind: string }) => void events.push(kind) });
    const effect = { kind: 'publish', lease: 'lease', artifact: A, log: null } as const;
    const failure = await codeOf(() => ada.publication.publish(effect));
    expect(failure ?? events.join()).toBe(end);
    expect(ada.asked()).toBe(0);
  });
});

describe('a trusted worker', () => {
  const lease = 'lease';
  const revealed = { kind: 'publish', lease, artifact: A, log: null } as const;
  const cosigned = { request, job: '2'.repeat(64), bundle: 'the bundle that it co-signed' };

  it('has the bundle that it co-signed once its lease is revealed, and fetches none', async () => {
    const { publication, held, asked } = worker('trusted', A);
    publication.cosigned(lease, cosigned);
    await publication.onVerdict({ artifact: A, level: 'trusted', mirrors: undefined, request });
    expect(held.size).toBe(0);
    await publication.publish(revealed);
    expect(held.get(A)).toBe(cosigned.bundle);
    await publication.onVerdict({ artifact: A, level: 'trusted', mirrors: undefined, request });
    expect(asked()).toBe(0);
  });

  it('fetches that of another request, and of one that it signed in a lease that was dropped', async () => {
    await desk.play('app', built);
    const other = worker('trusted', A);
    other.publication.cosigned(lease, cosigned);
    const mirrors = undefined;
    await other.publication.onVerdict({ artifact: A, level: 'trusted', mirrors, request: '3'.repeat(64) });
    expect(other.held.get(A)).toBe(desk.stored.get(A));
    const dropped = worker('trusted', A);
    dropped.publication.cosigned(lease, cosigned);
    dropped.publication.dropped(lease);
    await dropped.publication.onVerdict({ artifact: A, level: 'trusted', mirrors, request });
    expect(dropped.held.get(A)).toBe(desk.stored.get(A));
  });
});

describe('a controller', () => {
  it('names as mirrors the co-signer, which has the bundle, and one of those who built the artifact', async () => {
    await desk.play('app', built);
    const [trusted, ...others] = ['trusted', 'ada', 'bob', 'cy'].map((name) => desk.bench.id(name));
    expect(desk.notices.at(-1)?.mirrors).toEqual([trusted, mirrorsOf(A, others)[0]]);
  });
});
