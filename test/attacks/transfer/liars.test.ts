import { setTimeout as sleep } from 'node:timers/promises';
import { encode, prepare } from '@ipld/dag-pb';
import { UnixFS } from 'ipfs-unixfs';
import { CID } from 'multiformats/cid';
import { sha256 } from 'multiformats/hashes/sha2';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Channel } from '../../../src/mesh/index.ts';
import { carHeader, sectionHead } from '../../../src/protocol/base/car.ts';
import type { Store } from '../../../src/store/index.ts';
import { transferLimits } from '../../../src/transfer/limits.ts';
import { codeOf, noiseBytes, store } from '../../store/support.ts';
import { withLimits } from '../../support/with-limits.ts';
import { answering, carOf, ending, importInto, Receiver, serving, small } from '../../transfer/support.ts';

beforeEach(() => withLimits(transferLimits, { breakAgainMs: 1 }));

/** A peer that answers each request with frames made from the honest answer. */
const lying = (
  answer: (car: Uint8Array, root: CID) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  from: Store,
) =>
  answering(async (channel: Channel) => {
    for (;;) {
      const request = await channel.receive();
      if (request === undefined) return;
      const [root] = JSON.parse(Buffer.from(request).toString()).roots;
      for await (const message of answer(await carOf(from, root), CID.parse(root)))
        await channel.send(message);
    }
  });

const pieces = (car: Uint8Array): Uint8Array[] => {
  const all: Uint8Array[] = [];
  for (let at = 0; at < car.length; at += 500_000) all.push(car.subarray(at, at + 500_000));
  return all;
};

async function block(bytes: Uint8Array, codec = 0x55): Promise<{ cid: CID; section: Uint8Array }> {
  const cid = CID.createV1(codec, await sha256.digest(bytes));
  return { cid, section: Buffer.concat([sectionHead(cid.bytes, bytes.length), bytes]) };
}

const flipped = (car: Uint8Array, at: number): Uint8Array => {
  const copy = Uint8Array.from(car);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
};

const unlinked = await block(Buffer.from('loot'));

type Lie = (car: Uint8Array, root: CID) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

const lies: [string, string, Lie][] = [
  [
    'wrong bytes in the last block',
    'TRANSFER_HASH_MISMATCH',
    (car) => [...pieces(flipped(car, car.length - 1)), ...ending()],
  ],
  [
    'wrong bytes for the root',
    'TRANSFER_HASH_MISMATCH',
    (car, root) => [...pieces(flipped(car, carHeader([root.bytes]).length + 60)), ...ending()],
  ],
  [
    'a block nobody links to, first',
    'TRANSFER_WRONG_BLOCK',
    (car, root) => {
      const header = carHeader([root.bytes]);
      return pieces(Buffer.concat([header, unlinked.section, car.subarray(header.length)]));
    },
  ],
  [
    'a block nobody links to, after all others',
    'TRANSFER_EXCESS_DATA',
    (car) => [...pieces(car), unlinked.section, ...ending()],
  ],
  [
    'blocks without end',
    'TRANSFER_EXCESS_DATA',
    async function* (car) {
      yield* pieces(car);
      for (;;) yield unlinked.section;
    },
  ],
  [
    'one byte at a time, for ever',
    'TRANSFER_IDLE',
    async function* (car) {
      for (let at = 0; ; at += 1) {
        yield car.subarray(at % car.length, (at % car.length) + 1);
        await sleep(20);
      }
    },
  ],
  ['no block at all', 'TRANSFER_EMPTY', (_, root) => [carHeader([root.bytes]), ...ending()]],
  [
    'an archive that is cut off',
    'CAR_MALFORMED',
    (car) => [...pieces(car.subarray(0, car.length - 5)), ...ending()],
  ],
  ['the header of another tree', 'CAR_MALFORMED', (car) => [flipped(car, 30), ...ending()]],
  ['a header without end', 'CAR_MALFORMED', () => [new Uint8Array(1000).fill(0xff), ...ending()]],
  [
    'a block of 100 MB',
    'CAR_MALFORMED',
    (_, root) => [
      Buffer.concat([carHeader([root.bytes]), Uint8Array.of(0x80, 0xc2, 0xd7, 0x2f)]),
      ...ending(),
    ],
  ],
  [
    'a length without end',
    'CAR_MALFORMED',
    (_, root) => [Buffer.concat([carHeader([root.bytes]), new Uint8Array(20).fill(0xff)]), ...ending()],
  ],
  ['an end of no kind', 'TRANSFER_INVALID', () => ending({ kind: 'other' })],
  ['nothing but empty messages', 'TRANSFER_INVALID', () => [new Uint8Array(), new Uint8Array()]],
  ['an end that is no JSON', 'TRANSFER_INVALID', () => ending('{')],
  ['an end that is no text', 'TRANSFER_INVALID', () => [new Uint8Array(), Uint8Array.of(0xff, 0xfe)]],
  [
    'a refusal with control characters',
    'TRANSFER_BLOCK_MISSING',
    () => ending({ kind: 'failed', code: '\u001b[2J', message: '\u001b]0;x\u0007' }),
  ],
];

describe('a provider that lies', () => {
  it('does no harm while it does not: the control', async () => {
    const honest = await serving();
    const root = await importInto(honest.store, small(40, 2_000));
    const from = await lying((car) => [...pieces(car), ...ending()], honest.store);
    const to = await Receiver.open();
    expect((await to.fetch(root, [from])).dropped).toEqual([]);
    expect(await to.store.has(root)).toBe(true);
  });

  it.each(lies)(
    '%s: is dropped with %s, nothing of it is kept, and an honest one is asked',
    async (_, code, lie) => {
      const honest = await serving();
      const root = await importInto(honest.store, small(40, 2_000));
      const liar = await lying(lie, honest.store);
      const to = await Receiver.open();
      const idleMs = code === 'TRANSFER_IDLE' ? 600 : 10_000;
      // A peer that lies only after the last good block has done all that was wanted of it.
      const outcome = await to.fetch(root, [liar], { idleMs }).catch((error: unknown) => error);
      expect(outcome).toMatchObject({ dropped: [{ peer: liar.id, code }] });
      if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'TRANSFER_FAILED' });
      // biome-ignore lint/suspicious/noControlCharactersInRegex: just those must not be there
      expect(String(outcome)).not.toMatch(/[\u0000-\u001f]/);
      expect(to.store.blocks.touch(unlinked.cid)).toBe(undefined);
      withLimits(transferLimits, { slowSeconds: 60 });
      const result = await to.fetch(root, [liar, honest.mesh], { idleMs });
      expect(result.blocks).toBe(61);
      expect(await to.store.has(root)).toBe(true);
    },
  );

  it('and had sent good blocks before: those are kept, and no other', async () => {
    const honest = await serving();
    const root = await importInto(honest.store, small(40, 2_000));
    const liar = await lying((car) => pieces(flipped(car, car.length - 1)), honest.store);
    const to = await Receiver.open();
    const result = await to.fetch(root, [liar, honest.mesh]);
    expect(result.servedBy[liar.id]).toBe(result.blocks - 1);
    expect(result.servedBy[honest.mesh.id]).toBe(1);
  });
});

describe('a tree made by hand to hurt who fetches it', () => {
  const links = (cids: CID[], type: 'directory' | 'hamt-sharded-directory' = 'directory'): Uint8Array =>
    encode(
      prepare({
        Data: new UnixFS({ type }).marshal(),
        Links: cids.map((Hash, index) => ({ Name: String(index), Hash, Tsize: 1 })),
      }),
    );

  const put = async (into: Store, bytes: Uint8Array, codec = 0x70): Promise<CID> => {
    const { cid } = await block(bytes, codec);
    await into.blocks.put(cid, bytes);
    return cid;
  };

  it('of a thousand levels is refused: what has no end would never end', async () => {
    let { cid, section } = await block(noiseBytes(10));
    const sections = [section];
    for (let level = 0; level < 1_000; level += 1) {
      ({ cid, section } = await block(links([cid]), 0x70));
      sections.push(section);
    }
    const forger = await answering(async (channel) => {
      await channel.receive();
      await channel.send(Buffer.concat([carHeader([cid.bytes]), ...sections.reverse()]));
      for (const message of ending()) await channel.send(message);
    });
    const to = await Receiver.open();
    expect(await codeOf(to.fetch(cid.toString(), [forger]))).toBe('STORE_TREE_TOO_DEEP');
  });

  it('that names the same blocks again and again costs what it holds, not what it stands for', async () => {
    const from = await serving();
    let cid = await put(from.store, noiseBytes(10), 0x55);
    for (let level = 0; level < 50; level += 1)
      cid = await put(from.store, links(Array.from({ length: 200 }, () => cid)));
    const to = await Receiver.open();
    expect((await to.fetch(cid.toString(), [from.mesh])).blocks).toBe(51);
  });

  it('with links to blocks that were not hashed is refused', async () => {
    const from = await serving();
    const to = await Receiver.open();
    const identity = CID.parse('bafkqaaa');
    const bytes = links([identity]);
    const { cid, section } = await block(bytes, 0x70);
    const forger = await answering(async (channel) => {
      await channel.receive();
      await channel.send(Buffer.concat([carHeader([cid.bytes]), section]));
      for (const message of ending()) await channel.send(message);
    });
    expect(await codeOf(to.fetch(cid.toString(), [forger, from.mesh]))).toBe('STORE_CID_REFUSED');
  });
});

describe('a peer that asks', () => {
  it('gets what is public, the control; for what is sealed it is told no more than for what never was', async () => {
    const from = await serving();
    const area = from.store.sealed('lease');
    const secret = await from.store.importBytes(Buffer.from('the answer of this round'), { into: area });
    const never = await (await store()).importBytes(Buffer.from('never there'), {
      into: { name: 'public', sealed: false },
    });
    const to = await Receiver.open();
    const told = [];
    for (const root of [secret, never]) {
      const failure = await to
        .fetch(root, [from.mesh])
        .catch((error: { dropped: { message: string }[] }) => error);
      told.push(('dropped' in failure ? failure.dropped[0]?.message : undefined)?.replaceAll(root, 'CID'));
    }
    expect(told[0]).toContain('STORE_BLOCK_MISSING');
    expect(told[0]).toBe(told[1]);
    await from.store.publish(area);
    expect((await to.fetch(secret, [from.mesh])).blocks).toBe(1);
  });

  it.each([
    ['nothing', ''],
    ['no JSON', '{'],
    ['no roots', '{"roots":[],"max":1}'],
    [
      'too many roots',
      JSON.stringify({ roots: Array.from({ length: 1025 }, () => unlinked.cid.toString()), max: 1 }),
    ],
    ['bytes nobody hashed', '{"roots":["bafkqaaa"],"max":1}'],
    ['no CID', '{"roots":["../../etc/passwd"],"max":1}'],
    ['no bytes', JSON.stringify({ roots: [unlinked.cid.toString()], max: 0 })],
  ])('for %s is cut off, and others are served', async (_, request) => {
    const from = await serving();
    const root = await importInto(from.store, small(3));
    const to = await Receiver.open();
    const channel = await to.provider(from.mesh).open(AbortSignal.timeout(120_000));
    await channel.send(Buffer.from(request));
    expect(await codeOf(channel.receive({ timeoutMs: 120_000 }))).toBe('MESH_RESET');
    expect((await to.fetch(root, [from.mesh])).dropped).toEqual([]);
  });

  it('for more than is in the protocol gets what it gets without that, and nothing sealed', async () => {
    const from = await serving();
    const open = await importInto(from.store, small(3));
    const sealed = await from.store.importBytes(Buffer.from('the answer of this round'), {
      into: from.store.sealed('lease'),
    });
    const to = await Receiver.open();
    const channel = await to.provider(from.mesh).open(AbortSignal.timeout(120_000));
    const answerTo = async (request: object): Promise<{ chunks: string; end: string }> => {
      await channel.send(Buffer.from(JSON.stringify(request)));
      const messages: Uint8Array[] = [];
      while (messages.at(-1)?.length !== 0) messages.push((await channel.receive()) ?? new Uint8Array());
      const end = Buffer.from((await channel.receive()) ?? []).toString();
      return { chunks: Buffer.concat(messages).toString('hex'), end };
    };
    for (const [root, kind] of [
      [open, 'end'],
      [sealed, 'failed'],
    ]) {
      const request = { roots: [root], max: 1_000_000 };
      const answer = await answerTo(request);
      expect(JSON.parse(answer.end)).toMatchObject({ kind });
      expect(await answerTo({ ...request, also: 1, sealed: true, area: 'lease' })).toEqual(answer);
    }
  });
});
