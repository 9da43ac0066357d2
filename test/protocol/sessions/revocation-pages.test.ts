import { describe, expect, it } from 'vitest';
import { standIn } from '../../../simulations/keys.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { type Revocation, signMessage } from '../../../src/protocol/documents/index.ts';
import type { Dial } from '../../../src/protocol/sessions/ports.ts';
import { RevocationBook, type RevocationPage } from '../../../src/protocol/sessions/revocation-book.ts';
import {
  type Known,
  requestRevocations,
  revocationServer,
} from '../../../src/protocol/sessions/revocation-exchange.ts';
import { checkKind } from '../../../src/protocol/wire/bounds.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { at, makeCharter } from '../../support/documents.ts';
import { pair } from './channel-pair.ts';

const root = standIn.signer('root');
const idp = standIn.signer('idp');
const project = root.id;
const charterOf = (...idps: string[]) =>
  signMessage('charter', { ...makeCharter(), iss: project, project, idps }, root);
const charter = await charterOf(idp.id);

const sign = (by: typeof root, n: number, over: Partial<Revocation> = {}) =>
  signMessage(
    'revocation',
    {
      iss: by.id,
      project,
      what: { kind: 'operator', id: `o${n}` },
      since: 0,
      reason: 'no',
      iat: at,
      ...over,
    },
    by,
  );
const many = async (by: typeof root, count: number) =>
  (await Promise.all(Array.from({ length: count }, (_, n) => sign(by, n)))).map(({ raw }) => raw);
const open = () => RevocationBook.open(project, standIn.verifier);

const serves =
  (known: Omit<Known, 'checkpoint' | 'evidence'>, sizes: number[] = []): Dial =>
  async () => {
    const [near, far] = pair();
    const all = { checkpoint: () => undefined, evidence: () => [], ...known };
    void revocationServer(all).session({
      ...far,
      send: async (message) => {
        sizes.push(message.length);
        await far.send(message);
      },
    });
    return near;
  };
const peer = { id: 'peer', addrs: [] };

describe('all revocations of a project', () => {
  it('are told in several messages, the ends of keys first, then the root’s', async () => {
    const book = await open();
    await book.learn({ charters: [charter.raw], revocations: await many(idp, 700) });
    await book.learn({ charters: [], revocations: await many(root, 1500) });
    const end = await sign(root, 0, { what: { kind: 'key', id: standIn.signer('other').id } });
    await book.learn({ charters: [], revocations: [end.raw] });
    const pages: RevocationPage[] = [];
    const other = await open();
    const sizes: number[] = [];
    await requestRevocations(serves({ page: (after) => book.page(after) }, sizes), peer, (page) => {
      pages.push(page);
      return other.learn(page);
    });
    expect(pages.map(({ revocations }) => revocations.length)).toEqual([1000, 1000, 201]);
    expect(pages[0]?.revocations[0]).toBe(end.raw);
    expect(pages.map(({ charters }) => charters.length)).toEqual([0, 1, 1]);
    expect([other.size, book.size]).toEqual([2201, 2201]);
    expect(Math.max(...sizes)).toBeLessThan(limits.receiptBytesMax);
  });

  it('are told in messages of their own where they are long', async () => {
    const book = await open();
    const keeps = Array.from({ length: limits.revocationsMax }, (_, n) => n.toString(16).padStart(64, '0'));
    const ends = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        sign(root, n, { v: 2, what: { kind: 'key', id: standIn.signer(`k${n}`).id }, keeps }),
      ),
    );
    await book.learn({ charters: [], revocations: ends.map(({ raw }) => raw) });
    const sizes: number[] = [];
    const other = await open();
    const dial = serves({ page: (after) => book.page(after) }, sizes);
    await requestRevocations(dial, peer, (page) => other.learn(page));
    expect(other.size).toBe(100);
    expect(sizes.length).toBeGreaterThan(1);
    expect(Math.max(...sizes)).toBeLessThan(limits.receiptBytesMax);
  });

  it('are told by each page with the charters of its own signers', async () => {
    const names = Array.from({ length: limits.revocationChartersMax + 1 }, (_, n) =>
      standIn.signer(`idp ${n}`),
    );
    const charters = await Promise.all(names.map(({ id }) => charterOf(id)));
    const book = await open();
    for (const [n, by] of names.entries())
      await book.learn({ charters: [charters[n]?.raw ?? ''], revocations: [(await sign(by, n)).raw] });
    const other = await open();
    await requestRevocations(serves({ page: (after) => book.page(after) }), peer, (page) =>
      other.learn(page),
    );
    expect(other.size).toBe(names.length);
  });

  it('are asked for no further of a peer that sends what does not hold, and of one that never ends', async () => {
    const mallory = standIn.signer('mallory');
    const junk = await many(mallory, 600);
    let pages = 0;
    const next = '0'.repeat(64);
    const junkPage = () => {
      pages++;
      return { charters: [charter.raw], revocations: junk, next };
    };
    const book = await open();
    await requestRevocations(serves({ page: junkPage }), peer, (page) => book.learn(page));
    expect(pages).toBe(2);
    pages = 0;
    const empty = () => {
      pages++;
      return { charters: [], revocations: [], next };
    };
    await requestRevocations(serves({ page: empty }), peer, (page) => book.learn(page));
    expect(pages).toBe(limits.revocationPagesMax);
  });

  it('are asked for by id, and a server that keeps only those that count tells these', async () => {
    const [one, two] = await Promise.all([sign(idp, 1), sign(idp, 2)]);
    const asked: string[] = [];
    const known = {
      page: () => ({ charters: [charter.raw], revocations: [two?.raw ?? ''] }),
      find: (ids: ReadonlySet<string>) => {
        asked.push(...ids);
        return { charters: [charter.raw], revocations: [one?.raw ?? ''] };
      },
    };
    const book = await open();
    const ids = [one?.id ?? ''];
    await requestRevocations(serves(known), peer, (page) => book.learn(page), ids);
    expect(asked).toEqual(ids);
    expect([book.has(one?.id ?? ''), book.has(two?.id ?? '')]).toEqual([true, false]);
    const { page } = known;
    await requestRevocations(serves({ page }), peer, (found) => book.learn(found), ids);
    expect(book.has(two?.id ?? '')).toBe(true);
  });

  it('begin anew where the one that they would follow is known no more', async () => {
    const book = await open();
    await book.learn({ charters: [charter.raw], revocations: await many(idp, 3) });
    expect(book.page('f'.repeat(64)).revocations).toHaveLength(3);
    expect(book.page((await sign(idp, 0)).id).revocations).toHaveLength(2);
  });
});

describe('the end of a key', () => {
  it('that keeps as many as it may is a message that anybody may bring', async () => {
    const keeps = Array.from({ length: limits.revocationsMax }, (_, n) => n.toString(16).padStart(64, '0'));
    const what = { kind: 'key', id: idp.id } as const;
    const reason = 'é'.repeat(500);
    const { raw } = await sign(root, 0, { v: 2, what, keeps, reason });
    const { length } = encodeMessage({ kind: 'revoke', revocation: raw });
    const standing = { sender: 'anyone' } as const;
    expect(() => checkKind('api', standing, { kind: 'revoke', bytes: length })).not.toThrow();
  });
});

describe('the root’s own', () => {
  it('have room for one more than a project may have, and no more', async () => {
    const book = await open();
    const max = limits.rootRevocationsMax;
    await book.learn({ charters: [], revocations: await many(root, max + 5) });
    expect(book.size).toBe(max + 1);
  });
});
