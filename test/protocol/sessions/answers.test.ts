import { describe, expect, it } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { reportedError } from '../../../src/protocol/base/errors.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import { leaves as leafOf, signMessage } from '../../../src/protocol/documents/index.ts';
import type { Credentials } from '../../../src/protocol/sessions/credentials.ts';
import { sessionLimits } from '../../../src/protocol/sessions/limits.ts';
import { type Asked, presentSize, unshownLeaves } from '../../../src/protocol/sessions/own-revocations.ts';
import { RevocationBook } from '../../../src/protocol/sessions/revocation-book.ts';
import {
  requestCheckpoint,
  requestHeld,
  requestKeptLeaves,
  requestLeaves,
  requestRevocations,
  revocationServer,
} from '../../../src/protocol/sessions/revocation-exchange.ts';
import { runSource } from '../../../src/protocol/sessions/run-source.ts';
import { wireLimits } from '../../../src/protocol/wire/limits.ts';
import { type ApiDown, type ApiUp, encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { codeOf } from '../../support/codes.ts';
import { controller, idp, makeCharter, project, revocationBy, root, testKey } from '../../support/project.ts';
import { type Asked as AskedMessage, answering } from './answering.ts';

const peer = { id: controller.id, addrs: ['/ip4/192.0.2.1/tcp/4711'] };
const other = { id: testKey('second controller').id, addrs: [] };
const charter = await signMessage('charter', makeCharter({ trusted: [] }), root.signer);
const [mallory, eve] = [
  await revocationBy(idp, { kind: 'operator', id: 'mallory' }),
  await revocationBy(idp, { kind: 'operator', id: 'eve' }),
];
const page = (...shown: { raw: string }[]) => ({
  kind: 'revocations',
  charters: [charter.raw],
  revocations: shown.map(({ raw }) => raw),
});
const openBook = () => RevocationBook.open(project, joseVerifier);

describe('a peer that answers something else than was asked', () => {
  const held = { kind: 'held', charter: charter.raw, leases: [] };
  const dial = (answer: object | undefined) => answering(() => answer);
  it.each<[string, string, object | undefined, (answer: object | undefined) => Promise<unknown>]>([
    [
      'revocations',
      'WIRE_INVALID',
      held,
      async (a) => requestRevocations(dial(a), peer, (p) => openBook().then((b) => b.learn(p))),
    ],
    ['a checkpoint', 'WIRE_INVALID', held, (a) => requestCheckpoint(dial(a), peer)],
    ['what it holds', 'WIRE_INVALID', page(), (a) => requestHeld(dial(a), peer)],
    ['kept leaves', 'WIRE_INVALID', held, (a) => requestKeptLeaves(dial(a), peer, { from: 0, to: 1 })],
    ['nothing', 'CONTROLLER_SILENT', undefined, (a) => requestHeld(dial(a), peer)],
    [
      'an error',
      'MESH_FULL',
      { kind: 'error', code: 'MESH_FULL', message: 'no' },
      (a) => requestHeld(dial(a), peer),
    ],
  ])('is refused: asked for %s', async (_asked, code, answer, asking) => {
    expect(await codeOf(asking(answer))).toBe(code);
  });
});

describe('pages of revocations', () => {
  const learning = (refused = 0) => ({ refused: Array(refused), fresh: [], found: [], unread: 0, full: [] });
  /** The questions, where each page names a next one. */
  async function asked(refused: number, ids?: string[]): Promise<AskedMessage[]> {
    const all: AskedMessage[] = [];
    const next = 'b'.repeat(64);
    const dial = answering((question) => {
      all.push(question);
      return { ...page(), next };
    });
    await requestRevocations(dial, peer, async () => learning(refused) as never, ids);
    return all;
  }

  it('are read up to a bound, each after the last one', async () => {
    const all = await asked(0);
    expect(all).toHaveLength(limits.revocationPagesMax);
    expect(all.slice(0, 2)).toEqual([{ kind: 'ask' }, { kind: 'ask', after: 'b'.repeat(64) }]);
  });

  it('of a peer that sends too much that does not hold are read no further', async () => {
    expect(await asked(limits.revocationsMax + 1)).toHaveLength(1);
    expect(await asked(limits.revocationsMax)).toHaveLength(2);
  });

  it('of some ids are one message for as many as it takes', async () => {
    expect(await asked(0, ['a'.repeat(64)])).toEqual([{ kind: 'ask', ids: ['a'.repeat(64)] }]);
    const questions: number[] = [];
    const dial = answering(({ ids = [] }) => {
      questions.push(ids.length);
      return page();
    });
    const ids = (n: number) => Array.from({ length: n }, (_, i) => String(i).padStart(64, '0'));
    const most = wireLimits.revocationIdsMax;
    for (const n of [0, most, most + 1]) await requestLeaves(dial, peer, await openBook(), ids(n));
    expect(questions).toEqual([most, most, 1]);
  });
});

describe('a peer that is asked for revocations', () => {
  /** Its answers to a peer that asks without end. */
  async function served(evidence: string[]): Promise<object[]> {
    const said: object[] = [];
    const known = { page: () => ({ charters: [], revocations: [] }), checkpoint: () => undefined };
    await revocationServer({ ...known, evidence: () => evidence }).session({
      peer: 'peer',
      closed: false,
      send: async (bytes) => void said.push(JSON.parse(fromUtf8(bytes))),
      // It ends at last, for the sake of a server that does not.
      receive: async () => (said.length < 1_000 ? encodeMessage({ kind: 'ask' }) : undefined),
      close: async () => void said.push({ kind: 'closed' }),
      abort: () => {},
    });
    return said;
  }

  it('answers a bounded number of times, with evidence where there is some', async () => {
    const all = await served([]);
    expect(all).toHaveLength(limits.revocationPagesMax + 1);
    expect(all[0]).toEqual({ kind: 'revocations', charters: [], revocations: [] });
    expect(all.at(-1)).toEqual({ kind: 'closed' });
    expect((await served(['e']))[0]).toMatchObject({ equivocations: ['e'] });
  });
});

describe('leaves that a trusted worker kept', () => {
  async function kept(from: number, to: number, most: number = limits.leavesPerMessageMax) {
    const asked: (number | undefined)[] = [];
    const dial = answering((question) => {
      asked.push(question.from);
      return { kind: 'leaves', leaves: Array(most).fill('leaf') };
    });
    return [(await requestKeptLeaves(dial, peer, { from, to })).length, asked];
  }

  it('are asked for until all are there, and no more than were asked for are taken', async () => {
    const full = limits.leavesPerMessageMax;
    expect(await kept(5, 5)).toEqual([0, []]);
    expect(await kept(5, 5 + full)).toEqual([full, [5]]);
    expect(await kept(5, 6 + full)).toEqual([full + 1, [5, 5 + full]]);
  });

  it('are not asked for again of a worker whose message is not full', async () => {
    expect(await kept(5, 1_000_000, 3)).toEqual([3, [5]]);
  });
});

/** A controller that says this in answer to each kind of question. */
function asking(answers: Partial<Record<ApiUp['kind'], object>>, more: Partial<Asked> = {}): Asked {
  return {
    dial: answering(() => page()),
    controller: peer,
    project,
    verifier: joseVerifier,
    charter: charter.payload,
    target: idp.id,
    now: () => 0,
    ask: async ({ kind }) => answers[kind] as ApiDown,
    ...more,
  };
}

describe('the log of a controller, as its owner reads it', () => {
  const said = { kind: 'charter', charter: charter.raw };
  const leaves = (from: number, shown: string[], size: number) => ({
    kind: 'leaves',
    from,
    leaves: shown,
    size,
  });
  const trusting = { charter: makeCharter() };
  it.each<[string, string, () => Promise<unknown>]>([
    [
      'no checkpoint',
      'CONTROLLER_UNEXPECTED_ANSWER',
      () => presentSize(asking({ checkpoint: said }, trusting)),
    ],
    ['no size', 'CONTROLLER_UNEXPECTED_ANSWER', () => presentSize(asking({ log: said }))],
    [
      'leaves from elsewhere',
      'CONTROLLER_UNEXPECTED_ANSWER',
      () => unshownLeaves(asking({ log: leaves(1, ['x'], 2) }), 0),
    ],
    ['fewer than it said', 'LOG_UNREADABLE', () => unshownLeaves(asking({ log: leaves(0, [], 1) }), 0)],
    [
      'more than are read',
      'LOG_TOO_LARGE',
      () => unshownLeaves(asking({ log: leaves(0, [], sessionLimits.logLeavesMax + 1) }), 0),
    ],
    [
      'as many as are read',
      'LOG_UNREADABLE',
      () => unshownLeaves(asking({ log: leaves(0, [], sessionLimits.logLeavesMax) }), 0),
    ],
  ])('is refused where there is something wrong: %s', async (_what, code, reading) => {
    expect(await codeOf(reading())).toBe(code);
  });

  it('has the revocations from an index on that the controller does not show, once each', async () => {
    const own = [
      leafOf.charter(charter.id),
      ...[mallory, eve, eve, mallory].map(({ id }) => leafOf.revocation(id)),
    ];
    const log = { log: leaves(0, own, own.length) };
    const showing = (...shown: { raw: string }[]) => asking(log, { dial: answering(() => page(...shown)) });
    const [one, two] = [mallory.id, eve.id];
    for (const [from, unshown] of [
      [0, [one, two]],
      [1, [one, two]],
      // A revocation has the place of its first leaf.
      [2, [two]],
      [3, []],
    ] as const)
      expect(await unshownLeaves(showing(), from)).toEqual(unshown);
    expect(await unshownLeaves(showing(mallory), 0)).toEqual([two]);
    expect(await unshownLeaves(showing(), [one, one])).toEqual([one]);
    // It is shown where it is asked for by its id.
    const byId = answering(({ ids = [] }) => page(...[mallory, eve].filter(({ id }) => ids.includes(id))));
    expect(await unshownLeaves(asking(log, { dial: byId }), 0)).toEqual([]);
  });
});

describe('the source of a verifier of runs', () => {
  const learned: string[] = [];
  function source(answer: object, dial = answering(() => page()), others: string[] = []) {
    const credentials = {
      membership: { charter: 'the one in force', controllers: [peer, other] },
      learnCharter: async (raw: string) => void learned.push(raw),
    } as unknown as Credentials;
    return runSource({
      credentials,
      dial,
      bundle: () => Promise.reject(new Error('no bundle')),
      ask: async () => answer as ApiDown,
      askMembers: async () => void others.push('asked'),
    });
  }
  const strange = { kind: 'end' };

  it('is told of a controller that answers something else', async () => {
    const { charter: ofCharter, checkpoint, leaves } = source(strange);
    for (const read of [ofCharter, checkpoint, () => leaves(0)])
      expect(await codeOf(Promise.resolve(read()))).toBe('CONTROLLER_UNEXPECTED_ANSWER');
    expect(learned).toEqual([]);
  });

  it('learns the charter, and takes the one in force', async () => {
    expect(await source({ kind: 'charter', charter: 'newer' }).charter()).toBe('the one in force');
    expect(learned).toEqual(['newer']);
  });

  it('takes a checkpoint without grants, and leaves from where they were asked for', async () => {
    expect(await source({ kind: 'checkpoint', note: 'a note' }).checkpoint()).toEqual({
      note: 'a note',
      grants: [],
    });
    const { leaves } = source({ kind: 'leaves', from: 3, leaves: ['x'], size: 4 });
    expect([await leaves(3), await leaves(2)]).toEqual([['x'], []]);
  });

  it('asks each controller, by id for what it keeps back, and others for what nobody shows then', async () => {
    const book = await openBook();
    const questions: (string | null)[] = [];
    const dial = answering(({ ids }, id) => {
      questions.push(`${id === peer.id ? 'first' : 'second'}${ids === undefined ? '' : ' by id'}`);
      if (id === peer.id) throw reportedError('MESH_RESET', 'gone');
      return ids === undefined ? page(mallory) : page(eve);
    });
    const others: string[] = [];
    const withheld = () => [mallory.id, eve.id].filter((id) => !book.has(id));
    const { revocations } = source(strange, dial, others);
    await revocations(book, withheld);
    expect(questions).toEqual(['first', 'first by id', 'second', 'second by id']);
    expect([withheld(), others]).toEqual([[], []]);
    await revocations(book, () => ['f'.repeat(64)]);
    expect(others).toEqual(['asked']);
  });

  it.each([
    ['list', (ids: unknown) => ids === undefined],
    ['by id', (ids: unknown) => ids !== undefined],
  ])('passes over errors of others, not over those of its own disk: %s', async (_which, fails) => {
    for (const [code, expected] of [
      ['HOME_UNWRITABLE', 'HOME_UNWRITABLE'],
      ['MESH_RESET', 'none'],
    ] as const) {
      const dial = answering(({ ids }) => {
        if (fails(ids)) throw reportedError(code, 'no');
        return page();
      });
      const done = source(strange, dial).revocations(await openBook(), () => [mallory.id]);
      expect(await codeOf(Promise.resolve(done))).toBe(expected);
    }
  });
});
