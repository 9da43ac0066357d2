import { beforeEach, describe, expect, it } from 'vitest';
import { Reader } from '../../../simulations/reader.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import type { Charter } from '../../../src/protocol/documents/index.ts';
import { Credentials, type Membership } from '../../../src/protocol/sessions/credentials.ts';
import { checkInvite, findController } from '../../../src/protocol/sessions/join.ts';
import { sessionLimits } from '../../../src/protocol/sessions/limits.ts';
import type { Channel, Dial, Signing } from '../../../src/protocol/sessions/ports.ts';
import { wireLimits } from '../../../src/protocol/wire/limits.ts';
import { type ApiUp, encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { type Bench, projectOf } from '../../controller/machine/bench.ts';
import { codeOf } from '../../support/codes.ts';

/** A member, and whatever answers where it asks. */
class Member {
  readonly bench: Bench;
  credentials!: Credentials;
  readonly saved: Membership[] = [];
  readonly asked: ApiUp[] = [];
  readonly dialled: string[][] = [];
  now: number;
  /** Undefined where nobody is there. */
  answer: (question: ApiUp) => Promise<object | undefined> = async () => undefined;

  constructor(bench: Bench) {
    this.bench = bench;
    this.now = bench.now;
  }

  readonly dial: Dial = async ({ id, addrs }) => {
    this.dialled.push([id ?? 'anybody', ...addrs]);
    const answers: (object | undefined)[] = [];
    return {
      peer: id ?? 'anybody',
      closed: false,
      abort() {},
      close: async () => {},
      send: async (bytes: Uint8Array) => {
        const question = JSON.parse(fromUtf8(bytes)) as ApiUp;
        this.asked.push(question);
        const answer = await this.answer(question);
        if (answer === undefined) throw new QuorateError('MESH_UNREACHABLE' as never, 'nobody is there');
        answers.push(answer);
      },
      receive: async () => {
        const found = answers.shift();
        return found === undefined ? undefined : encodeMessage(found);
      },
    } as unknown as Channel;
  };

  get signing(): Signing {
    const { keys } = this.bench.paper;
    return { signer: keys.signer('ada'), documents: new Reader(keys.verifier), nonce: () => 'A'.repeat(22) };
  }

  async open(addrs: string[] = ['/one']): Promise<Credentials> {
    const { bench } = this;
    const { project, controller } = bench.paper;
    const membership: Membership = {
      project,
      name: 'app',
      operator: 'ada',
      role: 'worker',
      bootstrap: [],
      charter: bench.controller.state.charter?.raw ?? '',
      grant: bench.grantOf('ada').raw,
      controllers: [{ id: controller.id, addrs }],
    };
    const clock = { now: () => this.now };
    this.credentials = await Credentials.open(this.signing, clock, membership, async (changed) => {
      this.saved.push(changed);
    });
    return this.credentials;
  }

  charter(epoch: number, over: Partial<Charter> = {}): Promise<string> {
    return this.bench.paper.charter({ epoch, ...over }).then(({ raw }) => raw);
  }

  get addrs(): readonly string[] {
    return this.credentials.membership.controllers[0]?.addrs ?? [];
  }
}

let member: Member;
let credentials: Credentials;
let controller: string;
beforeEach(async () => {
  member = new Member(await projectOf('ada'));
  credentials = await member.open();
  controller = member.bench.paper.controller.id;
});

describe('a charter', () => {
  it('is taken where it is newer, and saved once', async () => {
    const { epoch } = credentials.charter;
    await credentials.learnCharter(credentials.membership.charter);
    await credentials.learnCharter(await member.charter(epoch, { name: 'another' }));
    expect([member.saved.length, credentials.charter.epoch]).toEqual([0, epoch]);
    const newer = await member.charter(epoch + 1);
    await credentials.learnCharter(newer);
    await credentials.learnCharter(newer);
    expect([member.saved.length, credentials.charter.epoch]).toEqual([1, epoch + 1]);
    expect(member.saved[0]?.charter).toBe(newer);
  });

  it('is asked for where the known one is older, once at a time', async () => {
    const { epoch } = credentials.charter;
    const newer = await member.charter(epoch + 1);
    member.answer = async () => ({ kind: 'charter', charter: newer });
    await credentials.catchUp(epoch, member.dial);
    expect(member.asked).toEqual([]);
    await Promise.all([1, 2].map((later) => credentials.catchUp(epoch + later, member.dial)));
    expect([member.asked.length, credentials.charter.epoch]).toEqual([1, epoch + 1]);
    await credentials.catchUp(epoch + 1, member.dial);
    expect(member.asked).toHaveLength(1);
    await credentials.catchUp(epoch + 2, member.dial);
    expect(member.asked).toHaveLength(2);
    member.answer = async () => undefined;
    expect(await codeOf(credentials.catchUp(epoch + 2, member.dial))).toBe('CONTROLLER_UNREACHABLE');
  });

  it('of the root alone says that a controller has another key, whatever a stranger shows', async () => {
    const { epoch } = credentials.charter;
    const next = member.bench.id('the next controller');
    const shown = ['no charter', await member.charter(epoch + 1, { controllers: [next] })];
    const peers = [{ id: controller, addrs: ['/two'] }];
    member.answer = async () => ({ kind: 'charter', charter: shown[0] });
    expect(await credentials.searchControllers(member.dial)).toBe(false);
    shown.shift();
    expect(await credentials.searchControllers(member.dial)).toBe(true);
    expect(credentials.membership.controllers).toEqual([{ id: next, addrs: [`/one/p2p/${next}`] }]);
    expect(await credentials.searchControllers(member.dial, peers)).toBe(false);
    expect(member.dialled.at(-1)).toEqual([controller, '/two']);
  });

  it('is looked for at a bounded number of places, without the keys of before', async () => {
    const max = sessionLimits.charterSearchMax;
    await member.open(Array.from({ length: max + 1 }, (_, n) => `/at${n}/p2p/${controller}`));
    await member.credentials.searchControllers(member.dial, [{ id: controller, addrs: ['/two'] }]);
    expect(member.dialled).toEqual(Array.from({ length: max }, (_, n) => ['anybody', `/at${n}`]));
  });
});

describe('an address of a controller', () => {
  const own = (addr: string) => `${addr}/p2p/${controller}`;

  it('is taken of one that the charter names, and where it is another', async () => {
    await member.open([own('/one')]);
    await member.credentials.learnAddress(controller, []);
    await member.credentials.learnAddress(member.bench.id('another'), ['/two']);
    await member.credentials.learnAddress(controller, ['/one']);
    expect(member.saved).toEqual([]);
    await member.credentials.learnAddress(controller, ['/two', '/one', own('/two')]);
    expect(member.addrs).toEqual(['/two', '/one'].map(own));
    expect(member.saved).toHaveLength(1);
  });

  it('drives out none that is known for longest, and there are no more than fit', async () => {
    const max = wireLimits.controllerAddrsMax;
    await member.open(Array.from({ length: 10 }, (_, n) => own(`/old${n}`)));
    await member.credentials.learnAddress(
      controller,
      Array.from({ length: max }, (_, n) => `/new${n}`),
    );
    expect(member.addrs).toHaveLength(max);
    const olds = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => own(`/old${n}`));
    expect(member.addrs.slice(0, 9)).toEqual([own('/new0'), ...olds]);
    expect(member.addrs.slice(9)).toEqual(Array.from({ length: max - 9 }, (_, n) => own(`/new${n + 1}`)));
  });

  it('of the feed is saved where it is another, and goes where there is none', async () => {
    await credentials.learnFeed(undefined);
    expect(member.saved).toEqual([]);
    await credentials.learnFeed(['https://feed.example/']);
    await credentials.learnFeed(['https://feed.example/']);
    await credentials.learnFeed(undefined);
    expect(member.saved.map(({ feed }) => feed)).toEqual([['https://feed.example/'], undefined]);
    expect('feed' in credentials.membership).toBe(false);
  });
});

describe('a grant', () => {
  it('is renewed from half of its life on, and at once from the future or of another provider', async () => {
    const { iat, exp } = credentials.grant.payload;
    const half = ((iat + exp) / 2) * 1000;
    const due = async (now: number) => {
      member.now = now;
      const before = member.asked.length;
      await credentials.renewDue(member.dial).catch(() => {});
      return member.asked.length > before;
    };
    const early = (iat - limits.clockSkewSeconds) * 1000;
    expect([await due(half - 1), await due(half), await due(early), await due(early - 1)]).toEqual([
      ...[false, true, false, true],
    ]);
    member.now = iat * 1000;
    expect(credentials.renewAt).toBe(half);
    await credentials.learnCharter(
      await member.charter(credentials.charter.epoch + 1, { idps: [member.bench.id('another')] }),
    );
    expect(credentials.renewAt).toBe(0);
  });

  it('is asked for again where the identity provider has another key by now, and only then', async () => {
    const { epoch } = credentials.charter;
    const error = { kind: 'error', code: 'ENROL_AUDIENCE_MISMATCH', message: 'no' };
    const kinds = async (charter: string, code = error.code) => {
      member.asked.length = 0;
      member.answer = async ({ kind }) => (kind === 'charter' ? { kind, charter } : { ...error, code });
      expect(await codeOf(credentials.renew(member.dial))).toBe(code);
      return member.asked.map(({ kind }) => kind);
    };
    const same = credentials.membership.charter;
    expect(await kinds(same, 'KEY_REVOKED')).toEqual(['renew']);
    expect(await kinds(same)).toEqual(['renew', 'charter']);
    expect(await kinds(await member.charter(epoch + 1))).toEqual(['renew', 'charter', 'renew']);
    // A grant that is another answer than was asked for.
    member.answer = async () => ({ kind: 'end' });
    expect(await codeOf(credentials.renew(member.dial))).toBe('CONTROLLER_UNEXPECTED_ANSWER');
    expect(credentials.grant.raw).toBe(member.bench.grantOf('ada').raw);
  });
});

describe('a controller that is joined', () => {
  const find = () => {
    const { project } = member.bench.paper;
    const at = { id: controller, addrs: ['/one'] };
    return findController({ dial: member.dial, signing: member.signing }, project, [at]);
  };

  it('is named by the charter that it shows', async () => {
    const { epoch } = credentials.charter;
    member.answer = async () => ({ kind: 'end' });
    expect(await codeOf(find())).toBe('CONTROLLER_UNEXPECTED_ANSWER');
    const other = await member.charter(epoch, { controllers: [member.bench.id('another')] });
    member.answer = async () => ({ kind: 'charter', charter: other });
    expect(await codeOf(find())).toBe('CONTROLLER_NOT_IN_CHARTER');
    const feed = ['https://feed.example/'];
    member.answer = async () => ({ kind: 'charter', charter: credentials.membership.charter, feed });
    expect(await find()).toMatchObject({ controllers: [{ id: controller }], feed });
  });

  it('is looked for at its address where it has another key, but not where it is crowded or refuses', async () => {
    const { epoch } = credentials.charter;
    const [older, newer] = await Promise.all(
      [1, 2].map((n) => member.charter(epoch + n, { controllers: [member.bench.id(`controller ${n}`)] })),
    );
    let shown = ['no charter', older, newer];
    let code = 'MESH_UNREACHABLE';
    const dial: Dial = async (place, ...rest) => {
      if (place.id !== null) throw new QuorateError(code as never, 'no');
      return member.dial(place, ...rest);
    };
    member.answer = async () => ({ kind: 'charter', charter: shown.shift() });
    const look = () => {
      const { project } = member.bench.paper;
      const at = { id: controller, addrs: ['/one', '/two', '/three'] };
      return findController({ dial, signing: member.signing }, project, [at]);
    };
    expect((await look()).charter.epoch).toBe(epoch + 2);
    shown = ['no', 'none', 'nothing'];
    expect(await codeOf(look())).toBe('CONTROLLER_UNREACHABLE');
    member.asked.length = 0;
    for (code of ['MESH_BUSY', 'MESH_FULL']) expect(await codeOf(look())).toBe(code);
    expect(member.asked).toEqual([]);
    code = 'MESH_UNREACHABLE';
    member.answer = async () => ({ kind: 'error', code: 'DOC_INVALID', message: 'no' });
    expect(await codeOf(find())).toBe('DOC_INVALID');
  });

  it('takes a ticket in its time, and one that is bound to a key from that key', async () => {
    const { bench } = member;
    const ticket = (over: object) => bench.paper.invite('dan', 'worker', bench.now, over);
    const check = async (over: object, key: string, now = bench.now) => {
      const invite = await ticket(over);
      return codeOf(Promise.resolve().then(() => checkInvite(invite, key, now)));
    };
    const [dan, eve] = ['dan', 'eve'].map((name) => bench.id(name)) as [string, string];
    expect([await check({}, eve), await check({ key: dan }, dan)]).toEqual(['none', 'none']);
    expect(await check({ key: dan }, eve)).toBe('TICKET_KEY_MISMATCH');
    expect(await check({}, eve, bench.now + 10 ** 12)).toBe('DOC_EXPIRED');
    expect(await check({}, eve, bench.now - 10 ** 9)).toBe('DOC_FROM_FUTURE');
  });
});
