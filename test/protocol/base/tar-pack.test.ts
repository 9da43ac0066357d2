import { pack } from 'tar-stream';
import { describe, expect, test } from 'vitest';
import { type Put, tarOf } from '../../../src/protocol/base/tar-pack.ts';

interface Header {
  readonly name: string;
  readonly size?: number;
}

const made = (fill: (put: Put<Header>) => Promise<void>) => tarOf<Header>(pack(), fill);

async function bytesOf(archive: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0;
  for await (const chunk of archive) bytes += chunk.length;
  return bytes;
}

describe('a tar archive', () => {
  test('without entries is its end', async () => {
    expect(await bytesOf(made(async () => {}))).toBe(1024);
  });

  test('is made no further ahead of its reader than a few entries, though they hold no bytes', async () => {
    let entries = 0;
    const archive = made(async (put) => {
      for (; entries < 10_000; entries++) await put({ name: `empty-${entries}`, size: 0 });
    });
    await archive.next();
    await new Promise(setImmediate);
    expect(entries).toBeLessThan(200);
    expect((await bytesOf(archive)) + 512).toBe(10_000 * 512 + 1024);
  });

  test('ends with the error of a content, before which it may have given bytes', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('ab');
      throw new Error('the disk is gone');
    }
    const archive = made((put) => put({ name: 'file', size: 4 }, broken()));
    await expect(bytesOf(archive)).rejects.toThrow('the disk is gone');
  });

  test('ends with an error where a content is shorter than its header says', async () => {
    const archive = made((put) => put({ name: 'file', size: 4 }, [Buffer.from('ab')]));
    await expect(bytesOf(archive)).rejects.toThrow('Size mismatch');
  });

  test.each([
    [
      'between entries',
      async function* () {
        yield Buffer.from('ab');
      },
    ],
    [
      'in an entry whose content does not come',
      async function* () {
        yield Buffer.from('a');
        await new Promise(() => {});
      },
    ],
  ])('that is not read to its end stops what fills it, %s', async (_, content) => {
    const filled = Promise.withResolvers<unknown>();
    const archive = made(async (put) => {
      try {
        for (;;) await put({ name: 'file', size: 2 }, content());
      } catch (error) {
        filled.resolve(error);
        throw error;
      }
    });
    await archive.next();
    await archive.return(undefined);
    expect(await filled.promise).toBeInstanceOf(Error);
  });
});
