import { describe, expect, it, onTestFinished } from 'vitest';
import { standIn } from '../../../simulations/keys.ts';
import { capabilities, Paperwork } from '../../../simulations/paperwork.ts';
import { Reader } from '../../../simulations/reader.ts';
import type { ControllerEvent } from '../../../src/controller/machine/events.ts';
import { FeedServer } from '../../../src/controller/sessions/feed-server.ts';
import { LeaseServer } from '../../../src/controller/sessions/lease-server.ts';
import type { SharedPorts } from '../../../src/controller/sessions/shared.ts';
import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import { type Charter, encodeCanonical, idOf, signMessage } from '../../../src/protocol/documents/index.ts';
import { Admission } from '../../../src/protocol/sessions/admission.ts';
import { Replies } from '../../../src/protocol/sessions/replies.ts';
import type { OfferNotice } from '../../../src/protocol/wire/messages.ts';
import { ownVersion, type PeerVersion } from '../../../src/protocol/wire/peer-version.ts';
import { Worker } from '../../../src/worker/machine/machine.ts';
import type { GrantRenewal } from '../../../src/worker/sessions/grant-renewal.ts';
import type { LogWitness } from '../../../src/worker/sessions/log-witness.ts';
import { OfferFeed } from '../../../src/worker/sessions/offer-feed.ts';
import type { WorkerPorts } from '../../../src/worker/sessions/ports.ts';
import type { RevocationFeed } from '../../../src/worker/sessions/revocation-feed.ts';
import { Bench, projectOf } from '../../controller/machine/bench.ts';
import { until } from '../../e2e/support/wait.ts';
import { FakeChannel } from './fake-channel.ts';
import { started } from './started.ts';

interface Message {
  kind: string;
  offers?: unknown[];
  version?: PeerVersion;
  code?: string;
  more?: true;
}

describe('a controller', () => {
  function server(bench: Bench) {
    const { paper, controller } = bench;
    const told: string[] = [];
    const timers: (() => void)[] = [];
    const notice = { offer: 'a', request: 'b', publisher: 'c', job: '{}' };
    const ports = {
      inquiry: started,
      machine: controller,
      signing: { signer: paper.controller, documents: new Reader(paper.keys.verifier) },
      version: ownVersion('2.0.0'),
      clock: {
        now: () => bench.now,
        monotonic: () => 0,
        closing: false,
        after: (_ms: number, act: () => void) => void timers.push(act),
      },
      charge: () => 0,
      feedUrls: () => [],
      tell: (_level: string, kind: string, says: string) => void told.push(`${kind}: ${says}`),
      dispatch: async (event: ControllerEvent) => void bench.send(event),
      checkpoints: { current: undefined, settle: () => {}, keep: async () => {} },
      backlog: new Map([['offer', notice]]),
      replies: new Replies(),
    } as unknown as SharedPorts;
    Object.assign(ports, { admission: new Admission(ports, () => true) });
    const feed = new FeedServer(ports);
    const connect = (worker: string, version: PeerVersion | undefined) => {
      const wire = new FakeChannel<Message>(bench.id(worker));
      void feed.served.session(wire.channel);
      const stated = version === undefined ? {} : { version };
      wire.say({ kind: 'hello', grant: bench.grantOf(worker).raw, capabilities, ...stated });
      return wire;
    };
    return { ports, feed, notice, told, timers, connect };
  }

  it('answers on a feed after a hello alone, with the grant of who sends it', async () => {
    const bench = await projectOf('ada', 'bob');
    const { feed, told } = server(bench);
    const saying = async (message: object) => {
      const wire = new FakeChannel<Message>(bench.id('ada'));
      void feed.served.session(wire.channel);
      wire.say(message);
      return (await wire.heard('error')).code;
    };
    expect(await saying({ kind: 'poll' })).toBe('FEED_NO_HELLO');
    const grant = bench.grantOf('bob').raw;
    expect(await saying({ kind: 'hello', grant, capabilities })).toBe('GRANT_KEY_MISMATCH');
    expect([[...feed.present], told]).toEqual([[], []]);
  });

  it('looks for offers with a free slot once for all whom it tells of one', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const { feed, notice, connect } = server(bench);
    const wires = ['ada', 'bob', 'cy'].map((name) => connect(name, ownVersion('2.0.0')));
    for (const wire of wires) await wire.heard('backlog');
    let looked = 0;
    const { open } = bench.controller.state.index;
    Object.defineProperty(bench.controller.state.index, 'open', {
      get: () => {
        looked++;
        return open;
      },
    });
    feed.push([notice]);
    for (const wire of wires) expect(await wire.heard('backlog', 2)).toMatchObject({ free: [] });
    expect(looked).toBe(1);
  });

  it('tells offers again that come together in few messages, each once, and none that was withdrawn', async () => {
    const { feed, ports, notice, timers, connect } = server(await projectOf('ada'));
    const wire = connect('ada', ownVersion('2.0.0'));
    await wire.heard('backlog');
    const told = async (count: number, withdrawn?: string) => {
      for (let n = 0; n < count; n++) {
        ports.backlog.set(`${n}`, notice);
        for (const _ of [1, 2]) feed.pushAgain(`${n}`);
      }
      if (withdrawn !== undefined) ports.backlog.delete(withdrawn);
      expect(timers).toHaveLength(Math.min(count, 1));
      for (const act of timers.splice(0)) act();
      await new Promise(setImmediate);
      return wire.said.splice(0).map(({ offers }) => offers?.length);
    };
    await told(0);
    expect([await told(250), await told(1), await told(3, '1')]).toEqual([[100, 100, 50], [1], [2]]);
  });

  it('gives a worker that states no version no offer, nothing that it would not know, and names it', async () => {
    const bench = await projectOf('ada');
    const { feed, notice, told, connect } = server(bench);
    const wire = connect('ada', undefined);
    expect(Object.keys(await wire.heard('backlog')).sort()).toEqual([
      'charter',
      'kind',
      'offers',
      'revocations',
    ]);
    feed.push([notice]);
    await wire.heard('backlog', 2);
    expect(wire.said.map(({ offers }) => offers)).toEqual([[], []]);
    expect(told.at(-1)).toBe(
      'behind: the worker of ada states no version: it is older, and gets no offer until it is updated',
    );
    expect(bench.controller.state.presence.behind).toEqual(new Set([bench.id('ada')]));
  });

  it('gives one that does offers and its own version', async () => {
    const { notice, told, connect } = server(await projectOf('ada'));
    const wire = connect('ada', { program: '1.5.0', reads: { ...ownVersion('1.5.0').reads, tomorrow: 7 } });
    expect(await wire.heard('backlog')).toMatchObject({
      offers: [notice],
      version: ownVersion('2.0.0'),
      free: [],
    });
    expect(told.filter((line) => line.startsWith('behind'))).toEqual([]);
  });

  it.each([
    ['no version of a program', { program: '2\u001b[2J', reads: {} }],
    ['a version that is too long', { program: '1'.repeat(41), reads: {} }],
    ['a version of a document that is text', { program: '2', reads: { job: '2' } }],
    [
      'too many kinds',
      {
        program: '2',
        reads: Object.fromEntries(
          Array.from({ length: 65 }, (_, n) => [`a${'b'.repeat(n % 30)}-${'c'.repeat(n / 30)}`, 2]),
        ),
      },
    ],
  ])('refuses one that states %s', async (_, version) => {
    const wire = server(await projectOf('ada')).connect('ada', version as unknown as PeerVersion);
    expect(await wire.heard('error')).toMatchObject({ kind: 'error', code: 'WIRE_INVALID' });
  });

  it('gives one that states none no lease, however it came to the offer', async () => {
    const bench = await projectOf('ada');
    const { ports } = server(bench);
    await bench.submit();
    const leases = new LeaseServer(ports);
    const wire = new FakeChannel<Message>(bench.id('ada'));
    void leases.served.session(wire.channel);
    const claim = await bench.paper.claim('ada', idOf(bench.offer), bench.now);
    wire.say({ kind: 'claim', claim: claim.raw, grant: bench.grantOf('ada').raw });
    expect(await wire.heard('error')).toMatchObject({ kind: 'error', code: 'WORKER_OLDER' });
    expect(bench.run([...bench.controller.state.runs.keys()][0] ?? '').rounds[0]?.candidates).toEqual([]);
  });

  describe('with a least version in its charter', () => {
    async function under(program: string) {
      const bench = new Bench();
      await bench.start({ more: { leastWorker: '1.2.0' } });
      await bench.members('ada');
      const about = server(bench);
      const version = ownVersion(program);
      const wire = about.connect('ada', version);
      await bench.submit();
      const leases = new LeaseServer(about.ports);
      /** The answer to a claim, or to one that passes. */
      const claim = async (pass?: string) => {
        const claiming = new FakeChannel<Message>(bench.id('ada'));
        void leases.served.session(claiming.channel);
        const signed = await bench.paper.claim('ada', idOf(bench.offer), bench.now, {
          ...(pass && { pass }),
        });
        claiming.say({ kind: 'claim', claim: signed.raw, grant: bench.grantOf('ada').raw, version });
        return claiming;
      };
      /** Answers of the machine to claims. */
      const answers = () =>
        bench.all('reply').filter(({ reply: { kind } }) => kind === 'lease' || kind === 'standby');
      return { ...about, bench, wire, claim, answers };
    }

    it('gives a worker below it no offer and no lease, and says why to both sides', async () => {
      const { bench, wire, told, claim, answers } = await under('1.1.9');
      expect(await wire.heard('backlog')).toMatchObject({ offers: [], version: ownVersion('2.0.0') });
      expect(told.at(-1)).toBe(
        'behind: the worker of ada is 1.1.9, and the project takes 1.2.0 or later: it gets no job until it is updated',
      );
      expect(await (await claim()).heard('error')).toMatchObject({
        code: 'WORKER_OLDER',
        message: 'the project takes workers of version 1.2.0 or later, and this one is 1.1.9',
      });
      expect(answers()).toEqual([]);
      // It may say so itself.
      await claim('worker-older');
      await until('the pass', () => bench.all('progress').some(({ progress }) => progress.kind === 'passed'));
    });

    it('gives one of it both', async () => {
      const { wire, claim, notice, answers } = await under('1.2.0');
      expect(await wire.heard('backlog')).toMatchObject({ offers: [notice] });
      await claim();
      await until('an answer', () => answers().length > 0);
    });
  });
});

describe('a worker', () => {
  /** Its feed; what it told its operator, and the offers that it passed on. */
  async function feed(over: Partial<Charter> = {}) {
    const paper = new Paperwork(standIn);
    const now = 1_800_000_000_000;
    const told: string[] = [];
    const passed: string[] = [];
    const learned: string[] = [];
    const controller = paper.controller.id;
    const wire = new FakeChannel<Message>(controller);
    const closing = { is: false };
    onTestFinished(() => {
      closing.is = true;
    });
    const charter = await paper.charter(over);
    const documents = new Reader(paper.keys.verifier);
    const grant = { id: 'g', raw: 'a.b.c', payload: { role: 'trusted-worker' } };
    const ports = {
      signing: { signer: paper.keys.signer('ada'), documents, nonce: () => 'n'.repeat(24) },
      version: ownVersion('1.0.0'),
      clock: {
        now: () => now,
        monotonic: () => 0,
        after: () => () => {},
        onClosing: () => () => {},
        get closing() {
          return closing.is;
        },
      },
      dial: async () => wire.channel,
      credentials: {
        membership: { project: paper.project, controllers: [{ id: controller, addrs: [] }] },
        controller: { id: controller, addrs: [] },
        charter: charter.payload,
        grant,
        catchUp: async () => {},
        learnCharter: async (raw: string) => {
          await documents.message('charter', raw);
          learned.push(raw);
        },
        learnFeed: async () => {},
        learnAddress: async () => {},
      },
      machine: new Worker(paper.keys.signer('ada').id),
      lending: { capabilities, jobsAtOnce: 1 },
      revocations: { revoked: [] },
      subscribe: () => {},
      findPeer: async () => [],
      findMembers: async () => [],
      dispatch: async () => {},
      tell: (_level: string, kind: string, says: string) => void told.push(`${kind}: ${says}`),
    } as unknown as WorkerPorts;
    const grants = { renewDue: async () => {}, refresh: async () => false } as unknown as GrantRenewal;
    const others = {
      revocations: { start: () => {}, heard: async () => {} } as unknown as RevocationFeed,
      witness: { start: () => {}, isVoid: false } as unknown as LogWitness,
    };
    const offers = new OfferFeed(ports, grants, { quietMs: 1e9, everyMs: 1e9 }, others, {
      onVerdict: () => {},
      pass: (offer) => void passed.push(offer),
    });
    offers.start();
    await wire.heard('hello');
    const backlog = (over: object) =>
      wire.say({ kind: 'backlog', charter: charter.raw, offers: [], revocations: 0, ...over });
    return { paper, now, wire, told, passed, learned, offers, backlog, charter };
  }

  /** As this message, but of version 9. */
  async function newer(
    paper: Paperwork,
    kind: string,
    payload: object,
    by = paper.controller,
  ): Promise<string> {
    const header = { alg: 'Ed25519', typ: `quorate-${kind}+jwt`, kid: by.id } as const;
    return by.jws(header, encodeCanonical({ ...payload, v: 9 }));
  }

  async function noticeOf(bench: Bench): Promise<OfferNotice> {
    const run = await bench.submit();
    const { request, publisher, job } = bench.run(run);
    const offer = await signMessage('offer', bench.offer, bench.paper.controller);
    const block = fromUtf8(encodeCanonical(job));
    return { offer: offer.raw, request: request.raw, publisher: publisher.raw, job: block };
  }

  it('states its version when it connects', async () => {
    const { wire } = await feed();
    expect(wire.said[0]).toMatchObject({ kind: 'hello', version: { program: '1.0.0', reads: {} } });
  });

  it('passes once on an offer of which it cannot read a document, and says so', async () => {
    const bench = await projectOf('ada');
    const notice = await noticeOf(bench);
    const { paper, passed, told, backlog } = await feed();
    const { iss: _, ...rest } = bench.offer;
    const newerOffer = await newer(paper, 'offer', { ...rest, iss: paper.controller.id });
    const job = fromUtf8(encodeCanonical({ ...JSON.parse(notice.job), v: 9 }));
    for (let n = 0; n < 3; n++) backlog({ offers: [{ ...notice, offer: newerOffer }] });
    await until('a pass', () => passed.length > 0);
    backlog({ offers: [{ ...notice, job }] });
    await until('another', () => passed.length > 1);
    expect(passed).toHaveLength(2);
    expect(told.filter((line) => line.startsWith('pass'))).toEqual([
      'pass: takes no slot: offer is of version 9, newer than this program. Update Quorate here',
      'pass: takes no slot: job is of version 9, newer than this program. Update Quorate here',
    ]);
  });

  it('stays connected under a charter that it cannot read, and says that it can take no job', async () => {
    const { paper, told, learned, offers, backlog, charter } = await feed();
    const unread = await newer(paper, 'charter', charter.payload, paper.keys.signer('root'));
    for (let n = 0; n < 3; n++) backlog({ charter: unread });
    await until('trouble', () => offers.trouble?.includes('version 9') === true);
    expect(offers.trouble).toBe('charter is of version 9, newer than this program: update Quorate here');
    backlog({});
    await until('the charter', () => learned.length === 1);
    expect(offers.trouble).toBeNull();
    expect(told.filter((line) => line.startsWith('charter'))).toHaveLength(1);
  });

  it('passes on offers of a project that takes later versions only, and says so', async () => {
    const bench = await projectOf('ada');
    const { passed, told, backlog, offers, charter } = await feed({ more: { leastWorker: '1.0.1' } });
    expect(offers.behind).toBe(
      'the project takes workers of version 1.0.1 or later, and this one is 1.0.0: update Quorate here',
    );
    const notice = await noticeOf(bench);
    for (let n = 0; n < 3; n++) backlog({ charter: charter.raw, offers: [notice] });
    await until('a pass', () => passed.length > 0);
    backlog({});
    expect(passed).toHaveLength(1);
    expect(told.filter((line) => line.startsWith('pass'))).toEqual([
      'pass: takes no slot: the project takes workers of version 1.0.1 or later, and this one is 1.0.0. Update Quorate here',
    ]);
  });

  it('says how it is behind its controller', async () => {
    const { offers, backlog, learned } = await feed();
    backlog({ version: { program: '3.0.0', reads: { revocation: 9, tomorrow: 2 } } });
    await until('the backlog', () => learned.length === 1);
    expect(offers.behind).toContain(
      'the controller is 3.0.0, and this version cannot read revocation of version 9',
    );
    backlog({ version: ownVersion('3.0.0') });
    await until('the next one', () => learned.length === 2);
    expect(offers.behind).toBeNull();
  });

  it('says that its controller is older where that does not understand it', async () => {
    const { wire, offers } = await feed();
    const message = 'a feed message is not valid at its root: Unrecognized key: "version"';
    wire.say({ kind: 'error', code: 'WIRE_INVALID', message });
    await until('trouble', () => offers.trouble?.includes('older') === true);
    expect(offers.trouble).toBe(
      'no connection to the controller: the controller is of an older version, and does not understand this worker',
    );
  });
});
