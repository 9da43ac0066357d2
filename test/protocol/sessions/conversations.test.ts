import { describe, expect, it } from 'vitest';
import type { NodeKey } from '../../../src/identity/keys.ts';
import { joseDocuments } from '../../../src/node/ports.ts';
import { reportedError } from '../../../src/protocol/base/errors.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import { signMessage } from '../../../src/protocol/documents/index.ts';
import {
  ask,
  isBusy,
  isConnectionError,
  isCrowded,
  obtainGrant,
  openQuestion,
} from '../../../src/protocol/sessions/ask.ts';
import { bundleServer, requestBundle } from '../../../src/protocol/sessions/bundle-exchange.ts';
import { addressesOf, searchCharters } from '../../../src/protocol/sessions/charter-search.ts';
import { findController, join } from '../../../src/protocol/sessions/join.ts';
import { sessionLimits } from '../../../src/protocol/sessions/limits.ts';
import type { Channel, Dial, Signing } from '../../../src/protocol/sessions/ports.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { codeOf } from '../../support/codes.ts';
import { at, controller, idp, makeCharter, root, testKey } from '../../support/documents.ts';

const gone = reportedError('MESH_RESET', 'gone');
const late = reportedError('MESH_TIMEOUT', 'nothing came');
const peer = { id: controller.id, addrs: ['/ip4/192.0.2.1/tcp/4711'] };
const other = { id: testKey('second controller').id, addrs: ['/ip4/192.0.2.2/tcp/4711'] };

/** A stream: whether it was used before, and its answer; an error fails the reading, undefined closes it. */
interface Stream {
  again?: boolean;
  unsent?: Error;
  answer?: object | Error | undefined;
}

/** Gives these streams, one after the other, and notes what is done with each. */
function streams(...all: (Stream | Error)[]): { dial: Dial; done: string[] } {
  const done: string[] = [];
  const dial: Dial = async ({ id }, _protocol, { fresh }) => {
    const next = all.shift() ?? new Error('no more streams');
    done.push(fresh === true ? 'open fresh' : 'open');
    if (next instanceof Error) throw next;
    return {
      peer: id ?? '',
      closed: false,
      send: async (bytes) => {
        if (next.unsent !== undefined) throw next.unsent;
        const { kind, which } = JSON.parse(fromUtf8(bytes));
        done.push(`send ${kind ?? which}`);
      },
      receive: async () => {
        if (next.answer instanceof Error) throw next.answer;
        return next.answer === undefined ? undefined : encodeMessage(next.answer);
      },
      close: async () => void done.push('close'),
      abort: () => void done.push('abort'),
      kept: { again: next.again === true, release: () => void done.push('release') },
    } satisfies Channel;
  };
  return { dial, done };
}

/** A stream that cannot be written is aborted as well. */
const isEnd = (one: string) => !one.startsWith('send') && one !== 'abort';

const end = { kind: 'end' };
const refusal = (code: string) => ({ kind: 'error', code, message: 'no', hint: 'look' });
const stale: Stream[] = [{ again: true }, { again: true, answer: gone }, { again: true, unsent: gone }];

describe('a question to a controller', () => {
  const asking = (dial: Dial, controllers = [peer]) => ask(dial, controllers, { kind: 'jobs' });

  it('that is answered leaves its stream for the next one', async () => {
    const { dial, done } = streams({ answer: end });
    expect(await asking(dial)).toEqual({ answer: end, controller: peer.id });
    expect(done).toEqual(['open', 'send jobs', 'release']);
  });

  it.each<[string, Stream, string]>([
    ['is refused', { answer: refusal('JOB_UNKNOWN') }, 'JOB_UNKNOWN'],
    ['is not answered', {}, 'CONTROLLER_SILENT'],
    ['is answered too late', { answer: late }, 'MESH_TIMEOUT'],
    ['is answered too late on a stream that was kept', { again: true, answer: late }, 'MESH_TIMEOUT'],
    ['fails on a stream of its own', { answer: gone }, 'MESH_RESET'],
  ])('that %s ends its stream', async (_what, stream, code) => {
    const { dial, done } = streams(stream);
    expect(await codeOf(asking(dial, [peer, other]))).toBe(code);
    expect(done).toEqual(['open', 'send jobs', 'close']);
  });

  it.each(stale)('is asked again on a new stream where that was kept for too long: %j', async (stream) => {
    const { dial, done } = streams(stream, { answer: end });
    expect((await asking(dial)).answer).toEqual(end);
    expect(done.filter(isEnd)).toEqual(['open', 'close', 'open fresh', 'release']);
    // A new one that ends is not.
    const twice = streams(stream, {});
    expect(await codeOf(asking(twice.dial))).toBe('CONTROLLER_SILENT');
  });

  it('goes to the next controller where one cannot be asked, and says why none could', async () => {
    const { dial, done } = streams(gone, { unsent: gone }, { answer: end });
    expect((await asking(dial, [peer, peer, other])).controller).toBe(other.id);
    expect(done).toEqual(['open', 'open', 'abort', 'close', 'open', 'send jobs', 'release']);
    const error = await asking(streams(late, gone).dial, [peer, other]).catch((why) => why);
    expect(error).toMatchObject({ code: 'CONTROLLER_UNREACHABLE', cause: gone });
    expect(error.hint).toContain('/ip4/192.0.2.1/tcp/4711, /ip4/192.0.2.2/tcp/4711');
    expect((await asking(dial, []).catch((why) => why)).hint).toContain('no address is known');
  });

  it('says that the first full one was full', async () => {
    const [busy, full] = [reportedError('MESH_BUSY', 'x'), reportedError('MESH_FULL', 'y')];
    await expect(asking(streams(gone, busy, full).dial, [peer, peer, peer])).rejects.toBe(busy);
  });

  it('that is followed is told of a stream that cannot be written', async () => {
    const { dial, done } = streams({ unsent: gone });
    await expect(openQuestion(dial, peer, { kind: 'jobs' })).rejects.toBe(gone);
    expect(done).toEqual(['open fresh', 'abort', 'close']);
    // It is on a stream of its own, unless the caller says otherwise.
    const kept = streams({ again: true, unsent: gone }, {});
    await openQuestion(kept.dial, peer, { kind: 'jobs' }, false);
    expect(kept.done).toEqual(['open', 'abort', 'close', 'open fresh', 'send jobs']);
  });

  it.each<[string, boolean, boolean, boolean]>([
    ['MESH_RESET', true, true, false],
    ['MESH_FULL', true, true, false],
    ['MESH_PEER_QUOTA', false, false, true],
    ['MESH_PEER_RATE', false, false, true],
    ['API_FOLLOWED_MAX', false, false, true],
    ['CONTROLLER_ASKING', true, true, false],
    ['CONTROLLER_UNREACHABLE', true, false, false],
    ['CONTROLLER_SILENT', true, false, false],
    ['JOB_UNKNOWN', false, false, false],
  ])('knows errors of the connection: %s', async (code, isOwn, isAnswered, busy) => {
    const own = reportedError(code, 'no');
    const answered = await asking(streams({ answer: refusal(code) }).dial).catch((why) => why);
    expect(answered).toMatchObject({ code, message: 'no', hint: 'look' });
    expect([isConnectionError(own), isConnectionError(answered)]).toEqual([isOwn, isAnswered]);
    expect([isBusy(own), isCrowded(own)]).toEqual([busy, code === 'MESH_FULL']);
  });

  it('has no hint where the controller says none', async () => {
    const { dial } = streams({ answer: { kind: 'error', code: 'JOB_UNKNOWN', message: 'no' } });
    expect((await asking(dial).catch((why) => why)).hint).toBeUndefined();
  });
});

describe('a bundle that is asked for', () => {
  const run = 'a'.repeat(64);
  const found = { kind: 'bundle', bundle: '{}', addrs: [] };
  it.each<[string, Stream, string | undefined, string]>([
    ['is there', { answer: found }, '{}', 'release'],
    ['is not there', { answer: refusal('BUNDLE_NOT_FOUND') }, undefined, 'close'],
    ['is not there, by a peer that says nothing', {}, undefined, 'close'],
  ])('%s', async (_what, stream, bundle, last) => {
    const { dial, done } = streams(stream);
    expect(await requestBundle(dial, peer, run)).toBe(bundle);
    expect(done).toEqual(['open', `send ${run}`, last]);
  });

  it.each<[string, Stream, string]>([
    ['a limit of streams', { answer: refusal('MESH_PEER_QUOTA') }, 'MESH_PEER_QUOTA'],
    ['a peer that is late', { again: true, answer: late }, 'MESH_TIMEOUT'],
    ['one that is gone', { answer: gone }, 'MESH_RESET'],
  ])('is not said to be missing for %s', async (_what, stream, code) => {
    const { dial, done } = streams(stream);
    expect(await codeOf(requestBundle(dial, peer, run))).toBe(code);
    expect(done.at(-1)).toBe('close');
  });

  it.each(stale)(
    'is asked for again on a new stream where that was kept for too long: %j',
    async (stream) => {
      const { dial, done } = streams(stream, { answer: found });
      expect(await requestBundle(dial, peer, run)).toBe('{}');
      expect(done.filter(isEnd)).toEqual(['open', 'close', 'open fresh', 'release']);
    },
  );
});

describe('bundles that are served', () => {
  const small = 256 * 1024;
  /** Sends a bundle of so many bytes that is never read; what a second reader gets. */
  async function second(first: number, bytes: number, max: number): Promise<string> {
    const sizes = [first, bytes];
    const { session } = bundleServer({ size: async () => sizes.shift(), get: async () => '{}' }, max);
    const kinds: string[] = [];
    const reader = (send: () => Promise<void>) => {
      let asked = 0;
      return session({
        peer: 'peer',
        closed: false,
        send: (message) => {
          const { kind, code } = JSON.parse(fromUtf8(message));
          kinds.push(code ?? kind);
          return send();
        },
        receive: async () => (asked++ === 0 ? encodeMessage({ which: 'a'.repeat(64) }) : undefined),
        close: async () => {},
        abort: () => {},
      });
    };
    const { promise, resolve } = Promise.withResolvers<void>();
    void reader(() => {
      resolve();
      return new Promise(() => {});
    });
    await promise;
    await reader(async () => {});
    return kinds[1] ?? '';
  }

  it.each([
    ['exactly the memory', small + 1, 2 * small + 2, 'bundle'],
    ['more', small + 1, 2 * small + 1, 'BUNDLE_BUSY'],
    ['more, for small ones', small, 1, 'bundle'],
  ])('may take %s', async (_what, bytes, max, answer) => {
    expect(await second(small + 1, bytes, max)).toBe(answer);
  });

  it('are refused where there is none, and the stream is closed', async () => {
    const said: string[] = [];
    await bundleServer({ size: async () => undefined, get: async () => undefined }).session({
      peer: 'peer',
      closed: false,
      send: async (bytes) => void said.push(JSON.parse(fromUtf8(bytes)).code),
      receive: async () => encodeMessage({ which: 'a'.repeat(64) }),
      close: async () => void said.push('close'),
      abort: () => {},
    });
    expect(said).toEqual(['BUNDLE_NOT_FOUND', 'close']);
  });
});

describe('the search for a charter', () => {
  it('asks whoever is at the addresses, and peers, and ends each stream', async () => {
    const said = (charter: string) => ({ answer: { kind: 'charter', charter } });
    const { dial, done } = streams(said('one'), { answer: end }, gone, said('two'));
    const addrs = ['/dns/x/tcp/1', `/dns/x/tcp/1/p2p/${peer.id}`, '/dns/y/tcp/1'];
    const members = [other, other];
    expect(await searchCharters(dial, [{ id: peer.id, addrs }], members)).toEqual(['one', 'two']);
    expect(done.filter((one) => one === 'open')).toHaveLength(4);
    expect(done.filter((one) => one === 'send charter')).toHaveLength(3);
    expect(done.filter((one) => one === 'abort')).toHaveLength(3);
  });

  it('asks a bounded number, and of a relay what is behind it', async () => {
    const dialled: unknown[] = [];
    const dial: Dial = async (target) => {
      dialled.push(target);
      throw gone;
    };
    const relay = `/dns/r/tcp/1/p2p/${other.id}/p2p-circuit`;
    const addrs = [`${relay}/p2p/${peer.id}`, ...Array.from({ length: 1_000 }, (_, n) => `/dns/x/tcp/${n}`)];
    expect(await searchCharters(dial, [{ id: peer.id, addrs }])).toEqual([]);
    expect(dialled).toHaveLength(sessionLimits.charterSearchMax);
    expect(dialled[0]).toEqual({ id: null, addrs: [relay] });
    expect(addressesOf({ id: peer.id, addrs: addrs.slice(0, 1) }, other.id)).toEqual([
      `${relay}/p2p/${other.id}`,
    ]);
  });
});

describe('the controller of a ticket', () => {
  const signing = { signer: root.signer, documents: joseDocuments } as Signing;
  const charterOf = async (over: Parameters<typeof makeCharter>[0]) => ({
    kind: 'charter',
    charter: (await signMessage('charter', makeCharter(over), root.signer)).raw,
  });
  const finding = (...all: (Stream | Error)[]) =>
    findController({ dial: streams(...all).dial, signing }, root.id, [peer]);

  it('is one that its charter names', async () => {
    const [ours, others] = [await charterOf({}), await charterOf({ controllers: [other.id] })];
    expect(await finding({ answer: ours })).toMatchObject({ controllers: [peer] });
    expect(await codeOf(finding({ answer: others }))).toBe('CONTROLLER_NOT_IN_CHARTER');
    expect(await codeOf(finding({ answer: end }))).toBe('CONTROLLER_UNEXPECTED_ANSWER');
    expect(await codeOf(finding({ answer: refusal('CONTROLLER_NOT_STARTED') }))).toBe(
      'CONTROLLER_NOT_STARTED',
    );
  });

  it('is looked for at its address where it is gone, in the newest charter that is shown there', async () => {
    const newest = { answer: await charterOf({ epoch: 3, controllers: [other.id] }) };
    const found = await finding(gone, newest);
    expect([found.charter.epoch, found.controllers.map(({ id }) => id)]).toEqual([3, [other.id]]);
    expect(await codeOf(finding(gone, { answer: { kind: 'charter', charter: 'e30.e30.e30' } }))).toBe(
      'CONTROLLER_UNREACHABLE',
    );
    const two = streams(gone, { answer: await charterOf({ epoch: 2 }) }, newest);
    const addrs = ['/dns/x/tcp/1', '/dns/y/tcp/1'];
    const newer = await findController({ dial: two.dial, signing }, root.id, [{ id: peer.id, addrs }]);
    expect(newer.charter.epoch).toBe(3);
  });

  it.each<[string, string, object, NodeKey]>([
    ['is bound to another key', 'TICKET_KEY_MISMATCH', { key: other.id }, idp],
    ['is over', 'DOC_EXPIRED', { exp: at - limits.clockSkewSeconds - 1 }, idp],
    ['is of another identity provider', 'TICKET_ISSUER_MISMATCH', {}, root],
  ])('is asked for nothing with a ticket that %s', async (_what, code, over, key) => {
    const { dial, done } = streams({ answer: await charterOf({}) });
    const invite = await signMessage(
      'invite',
      {
        iss: key.id,
        project: root.id,
        operator: 'ada',
        role: 'worker',
        hosts: 1,
        addrs: [],
        jti: 'A'.repeat(24),
        iat: at - 86_400,
        exp: at + 60,
        ...over,
      },
      key.signer,
    );
    const joining = join({ dial, signing, clock: { now: () => at * 1000 } }, { invite }, [peer]);
    expect(await codeOf(joining)).toBe(code);
    expect(done).not.toContain('send enrol');
  });

  it('answers a request for a grant with one', async () => {
    const nonce = () => 'A'.repeat(24);
    const dial = streams({ answer: await charterOf({}) }).dial;
    const asked = { project: root.id, controllers: [peer], idp: other.id };
    const clock = { now: () => at * 1000 };
    const grant = obtainGrant({ dial, signing: { ...signing, nonce }, clock }, asked, undefined);
    expect(await codeOf(grant)).toBe('CONTROLLER_UNEXPECTED_ANSWER');
  });
});
