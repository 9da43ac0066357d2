import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { type Extract, extract } from 'tar-stream';
import { fromBufferPromise } from 'yauzl';
import { type Content, UnpackBudget } from '../../../src/client/comparison/archive-content.ts';
import { compareFiles, isGzip } from '../../../src/client/comparison/compare-files.ts';
import { isTar } from '../../../src/client/comparison/tar-listing.ts';
import { isZip } from '../../../src/client/comparison/zip-listing.ts';
import { differenceOf, sentenceOf } from '../../http/static/diff-bytes.ts';
import { mutatedBytes } from '../arbitraries.ts';
import { Scratch, tarBytes } from '../corpus.ts';
import { type AnyTarget, define, must } from '../target.ts';
import { archive } from './archives.ts';

/** By Debian's zip: `one`, stored, and `two`, deflated. */
const zipBytes = Buffer.from(
  [
    '504b03040a0000000000d40d292b9fa817f80400000004000000030000006f6e656f6e650a504b0304140000000800d40d292b3b81403a09',
    '0000001c0000000300000074776f2b29cf5728c18eb900504b01021e030a0000000000d40d292b9fa817f804000000040000000300000000',
    '00000001000000a481000000006f6e65504b01021e03140000000800d40d292b3b81403a090000001c000000030000000000000001000000',
    'a4812500000074776f504b05060000000002000200620000004f0000000000',
  ].join(''),
  'hex',
);

const files = tarBytes([
  { name: 'bin/tool', body: 'x'.repeat(700), mode: 0o755 },
  { name: 'link', type: 'symlink', linkname: 'bin/tool' },
  { name: 'long name '.repeat(20), body: 'pax', pax: { mtime: '1.5' } },
]);

async function valid(): Promise<Uint8Array[]> {
  const tar = await files;
  return [tar, gzipSync(tar), gzipSync('text'), zipBytes].map((bytes) => Uint8Array.from(bytes));
}

const contentOf = (bytes: Uint8Array): Content => ({
  size: bytes.length,
  async *open() {
    for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
  },
});

type TarEntry = Extract extends AsyncIterable<infer T> ? T & AsyncIterable<Uint8Array> : never;

/** The archive as others unpack it: names, contents, modes and targets. Throws where they refuse it. */
async function unpacked(bytes: Uint8Array): Promise<string[]> {
  const digest = async (content: AsyncIterable<Uint8Array>): Promise<string> => {
    const hash = createHash('sha256');
    for await (const chunk of content) hash.update(chunk);
    return hash.digest('hex');
  };
  const head = Buffer.from(bytes.subarray(0, 512));
  const found: string[] = [];
  if (isZip(head)) {
    const zip = await fromBufferPromise(Buffer.from(bytes));
    for await (const entry of zip.eachEntry())
      found.push(`${entry.fileName} ${await digest(await zip.openReadStreamPromise(entry))}`);
  } else if (isGzip(head)) return unpacked(gunzipSync(bytes));
  else if (isTar(head)) {
    for await (const entry of Readable.from([bytes], { objectMode: false }).pipe(
      extract() as unknown as NodeJS.WritableStream & AsyncIterable<TarEntry>,
    )) {
      const { name, type, mode, linkname } = entry.header;
      found.push(`${name} ${type} ${mode} ${linkname} ${await digest(entry)}`);
    }
  } else return [Buffer.from(bytes).toString('hex')];
  return found.sort();
}

const scratch = new Scratch();

const target = define<Uint8Array>({
  name: 'compared-archive',
  seeds: valid,
  arbitrary(seeds) {
    const tars = archive(seeds.filter((bytes) => isTar(Buffer.from(bytes.subarray(0, 512)))));
    return fc.oneof(
      tars,
      tars.map((bytes) => Uint8Array.from(gzipSync(bytes))),
      mutatedBytes(seeds),
    );
  },
  // Unpacked several times over, with each of the others.
  msMax: 400,
  run: async (bytes) => {
    for (const other of await valid()) {
      const budget = new UnpackBudget(AbortSignal.timeout(60_000));
      const how = { scratch: await scratch.dir(), budget };
      const { result } = await compareFiles(contentOf(other), contentOf(bytes), how);
      if (result === 'normalised')
        must(
          (await unpacked(bytes)).join() === (await unpacked(other)).join(),
          'two archives are the same, and others unpack something else',
        );
    }
  },
  close: () => scratch.close(),
});

const text = Buffer.from('one\r\ntwo \u{1f600}\u0301\n');

/** Beside a text and beside bytes, whole and cut off. */
const difference = define<Uint8Array>({
  name: 'page-difference',
  seeds: async () => [text, Uint8Array.of(0x7f, 0x45, 0, 0xff), Uint8Array.of()],
  arbitrary: mutatedBytes,
  run(bytes) {
    for (const other of [text, zipBytes])
      for (const bWhole of [true, false]) {
        const found = differenceOf(other, bytes, { aWhole: true, bWhole });
        if (found === undefined) continue;
        const shown = `${JSON.stringify(found)}${sentenceOf(found, 'file', ['a', 'b'])}`;
        must(shown.length < 40_000, 'more is shown than fits on a page');
        must(!/(?![\t ])[\p{C}\p{Z}]/u.test(shown), 'something that is hidden is shown');
      }
  },
});

export const targets: readonly AnyTarget[] = [target, difference];
