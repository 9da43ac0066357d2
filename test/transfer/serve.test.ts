import type { CID } from 'multiformats/cid';
import { describe, expect, it, vi } from 'vitest';
import { carHeader } from '../../src/protocol/base/car.ts';
import { reportedError } from '../../src/protocol/base/errors.ts';
import { encodeRequest, messageBytesMax } from '../../src/transfer/frames.ts';
import { serveTrees } from '../../src/transfer/index.ts';
import { refusedTransfer } from '../../src/transfer/serve.ts';
import { ends, Far, many, turns } from './far.ts';

describe('a server of trees', () => {
  const large = new Uint8Array(1024 * 1024);
  const served = (bytes: Uint8Array, asked: string[] = []) => ({
    read: vi.fn(async () => bytes),
    links: () => [],
    asked: (cid: CID) => void asked.push(cid.toString()),
  });

  it('answers with 64 MiB at most, whatever is asked for, and waits 30 seconds for the next request', async () => {
    const far = new Far(encodeRequest(many(70), Number.MAX_SAFE_INTEGER), undefined);
    const asked: string[] = [];
    await serveTrees(far, served(large, asked));
    expect(asked).toEqual(many(70).map(String));
    const blocks = far.sent.filter(({ message }) => message.length === large.length);
    expect(blocks).toHaveLength(64);
    expect(far.sent.at(-2)?.message).toHaveLength(0);
    expect(ends(far.sent.at(-1)?.message)).toBe('{"kind":"end"}');
    expect(far.waits).toEqual([30_000, 30_000]);
  });

  it('sends one message at a time, and reads no more than a few blocks ahead of a peer that takes none', async () => {
    const far = new Far(encodeRequest(many(20), Number.MAX_SAFE_INTEGER), undefined);
    far.isHeld = true;
    const source = served(large);
    const ended = serveTrees(far, source);
    let most = 0;
    for (let left = 0; ; left++) {
      await expect.poll(() => far.sent.length).toBeGreaterThan(left);
      await turns();
      expect(far.sent).toHaveLength(left + 1);
      most = Math.max(most, source.read.mock.calls.length - left / 2);
      const { message, leave } = far.sent[left] ?? { message: new Uint8Array(), leave() {} };
      leave();
      if (ends(message) === '{"kind":"end"}') break;
    }
    await ended;
    expect(most).toBeLessThanOrEqual(5);
  });

  /** Sizes of the messages that carry these blocks. */
  const messages = async (sizes: number[]) => {
    const blocks = new Map(sizes.map((size, n) => [`${many(sizes.length)[n]}`, new Uint8Array(size)]));
    const far = new Far(encodeRequest(many(sizes.length), Number.MAX_SAFE_INTEGER), undefined);
    const read = async (cid: CID) => blocks.get(`${cid}`) ?? new Uint8Array();
    await serveTrees(far, { read, links: () => [], asked: () => {} });
    return far.sent.slice(0, -2).map(({ message }) => message.length);
  };

  it('sends a block from 64 KiB on by itself, and gathers smaller ones', async () => {
    const head = carHeader(many(2).map(({ bytes }) => bytes)).length;
    expect(await messages([65_536, 65_535])).toEqual([head + 39, 65_536, 39 + 65_535]);
    expect(await messages([0, 3])).toEqual([head + 37 + 37 + 3]);
  });

  it('fills a message to its largest size', async () => {
    const count = 19;
    const head = carHeader(many(count).map(({ bytes }) => bytes)).length;
    const sizes = Array.from({ length: count }, () => 60_000);
    const last = messageBytesMax - head - (count - 1) * 60_039 - 39;
    expect(last).toBeGreaterThan(20_000);
    expect(last).toBeLessThan(65_536);
    expect(await messages([...sizes.slice(1), last])).toEqual([messageBytesMax]);
    expect(await messages([...sizes.slice(1), last + 1])).toEqual([messageBytesMax - last, last + 1]);
  });

  it('charges a turn for each 128 blocks, however small', async () => {
    const charged = async (blocks: number) => {
      const far = new Far(encodeRequest(many(blocks), 1e6), undefined);
      const charge = vi.fn(async (_: number) => {});
      await serveTrees(Object.assign(far, { charge }), served(new Uint8Array(1)));
      return charge.mock.calls.map(([turns]) => turns);
    };
    // Of 127 blocks there are 255 pieces, with the head of the archive.
    expect(await charged(127)).toEqual([]);
    expect(await charged(128)).toEqual([1]);
    expect(await charged(256)).toEqual([1, 1]);
  });

  it('refuses all with the code and a message of 1,000 characters', () => {
    const [first, second] = refusedTransfer(reportedError('MESH_BUSY', 'x'.repeat(1_001)));
    expect(first).toHaveLength(0);
    expect(JSON.parse(ends(second))).toEqual({
      kind: 'failed',
      code: 'MESH_BUSY',
      message: 'x'.repeat(1_000),
    });
  });

  it('says which block it lacks, and answers the next request', async () => {
    const far = new Far(encodeRequest(many(1), 5), encodeRequest(many(1), 5), undefined);
    const read = async (): Promise<Uint8Array> => {
      throw reportedError('STORE_BLOCK_NOT_FOUND', 'x'.repeat(2_000));
    };
    await serveTrees(far, { read, links: () => [], asked: () => {} });
    const last = far.sent.filter((_, index) => far.sent[index - 1]?.message.length === 0);
    expect(last.map(({ message }) => JSON.parse(ends(message)))).toEqual([
      { kind: 'failed', code: 'STORE_BLOCK_NOT_FOUND', message: 'x'.repeat(1000) },
      { kind: 'failed', code: 'STORE_BLOCK_NOT_FOUND', message: 'x'.repeat(1000) },
    ]);
  });

  it.each([
    ['an error of another kind', new RangeError('a fault here')],
    ['a code of another folder', reportedError('TRANSFER_INVALID', 'not of the store')],
  ])('ends with %s', async (_, error) => {
    const far = new Far(encodeRequest(many(1), 5), undefined);
    const read = () => Promise.reject(error);
    await expect(serveTrees(far, { read, links: () => [], asked: () => {} })).rejects.toBe(error);
  });
});
