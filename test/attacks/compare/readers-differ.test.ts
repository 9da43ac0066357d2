import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Content, UnpackBudget } from '../../../src/client/comparison/archive-content.ts';
import { compareFiles, type FileComparison } from '../../../src/client/comparison/compare-files.ts';

const contentOf = (bytes: Uint8Array): Content => ({
  size: bytes.length,
  async *open() {
    yield bytes;
  },
});

async function scratch(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'quorate-test-readers-'));
  onTestFinished(() => rm(made, { recursive: true, force: true }));
  return made;
}

async function compare(a: Uint8Array, b: Uint8Array): Promise<FileComparison> {
  const budget = new UnpackBudget(AbortSignal.timeout(120_000));
  return compareFiles(contentOf(a), contentOf(b), { scratch: await scratch(), budget });
}

interface Lies {
  /** Fields of the header in front of the member. */
  local?: { crc?: number; packed?: number; size?: number; extra?: Buffer<ArrayBuffer> };
  method?: 0 | 8;
  /** Bytes behind the member; with them the flag for that is set. */
  behind?: Buffer;
  /** Changes the end of the archive. */
  end?(end: Buffer<ArrayBuffer>, directory: { from: number; size: number }): Buffer<ArrayBuffer>;
}

const numbers = (...parts: [bytes: 2 | 4 | 8, value: number][]): Buffer<ArrayBuffer> => {
  const made = Buffer.alloc(parts.reduce((sum, [bytes]) => sum + bytes, 0));
  let at = 0;
  for (const [bytes, value] of parts) {
    if (bytes === 8) made.writeBigUInt64LE(BigInt(value), at);
    else made.writeUIntLE(value, at, bytes);
    at += bytes;
  }
  return made;
};

/** A zip archive of one member, whose parts may contradict each other. */
function zip(
  body: Buffer,
  { local = {}, method = 0, behind, end = (made) => made }: Lies = {},
): Buffer<ArrayBuffer> {
  const name = Buffer.from('one');
  const packed = method === 0 ? body : deflateRawSync(body);
  const sizes = { crc: crc32(body), packed: packed.length, size: body.length };
  const common = ({ crc, packed: small, size }: typeof sizes, extra = Buffer.alloc(0)): Buffer =>
    numbers(
      ...([
        [2, 20],
        [2, behind === undefined ? 0 : 8],
        [2, method],
        [2, 0],
        [2, 33],
      ] as [2, number][]),
      ...([
        [4, crc],
        [4, small],
        [4, size],
      ] as [4, number][]),
      ...([
        [2, name.length],
        [2, extra.length],
      ] as [2, number][]),
    );
  const { extra, ...stated } = local;
  const front = Buffer.concat([
    ...[Buffer.from('PK\x03\x04', 'latin1'), common({ ...sizes, ...stated }, extra), name],
    ...[extra ?? Buffer.alloc(0), packed, behind ?? Buffer.alloc(0)],
  ]);
  const directory = Buffer.concat([
    ...[Buffer.from('PK\x01\x02\x14\x03', 'latin1'), common(sizes), Buffer.alloc(14), name],
  ]);
  const place = { from: front.length, size: directory.length };
  const last = Buffer.concat([
    Buffer.from('PK\x05\x06', 'latin1'),
    numbers([2, 0], [2, 0], [2, 1], [2, 1], [4, place.size], [4, place.from], [2, 0]),
  ]);
  return Buffer.concat([front, directory, end(last, place)]);
}

/** The end with 64 bits, in front of the other. */
function with64(
  end: Buffer,
  { from, size }: { from: number; size: number },
  at = from + size,
): Buffer<ArrayBuffer> {
  return Buffer.concat([
    ...[Buffer.from('PK\x06\x06', 'latin1'), numbers([8, 44], [2, 45], [2, 45], [4, 0], [4, 0])],
    ...[numbers([8, 1], [8, 1], [8, size], [8, from])],
    ...[Buffer.from('PK\x06\x07', 'latin1'), numbers([4, 0], [8, at], [4, 1]), end],
  ]);
}

/** Holds another archive, which a reader finds that goes by the wrong number. */
const body = Buffer.concat([Buffer.from('text '.repeat(20)), zip(Buffer.from('other')), Buffer.from('more')]);
const plain = zip(body, { method: 8 });
const says = async (lies: Lies): Promise<string> => {
  const { result, normalisations, reasons } = await compare(plain, zip(body, lies));
  return [result, ...normalisations, ...reasons].join('; ');
};
const headers = 'different; b: a member has two headers that differ';
const ends = 'different; b: its end says something else than its directory';
const sizesBehind = (more: Partial<{ crc: number; packed: number; size: number }> = {}): Buffer => {
  const { crc, packed, size } = { crc: crc32(body), packed: body.length, size: body.length, ...more };
  return Buffer.concat([Buffer.from('PK\x07\x08', 'latin1'), numbers([4, crc], [4, packed], [4, size])]);
};

describe('a zip archive that readers take differently', () => {
  it('is the same where all its parts say the same', async () => {
    expect(await says({})).toBe('normalised; zip');
    expect(await says({ behind: sizesBehind(), local: { crc: 0, packed: 0, size: 0 } })).toBe(
      'normalised; zip',
    );
    expect(await says({ end: (end, place) => with64(end, place) })).toBe('normalised; zip');
    const extra = numbers([2, 1], [2, 16], [8, body.length], [8, body.length]);
    const all = 0xffffffff;
    expect(await says({ local: { packed: all, size: all, extra } })).toMatch(/^normalised; zip|metadata/);
  });

  it('is different where the header in front of a member states another size or checksum', async () => {
    expect(await says({ local: { packed: 5, size: 5, crc: crc32(body.subarray(0, 5)) } })).toBe(headers);
    expect(await says({ local: { crc: 1 } })).toBe(headers);
    const extra = numbers([2, 1], [2, 16], [8, 5], [8, 5]);
    expect(await says({ local: { packed: 0xffffffff, size: 0xffffffff, extra } })).toBe(headers);
    expect(await says({ local: { extra } })).toBe(headers);
  });

  it('is different where what lies behind a member states another, or the content holds such a thing', async () => {
    const local = { crc: 0, packed: 0, size: 0 };
    expect(await says({ local, behind: sizesBehind({ size: 5 }) })).toBe(headers);
    expect(await says({ local, behind: sizesBehind({ crc: 5 }) })).toBe(headers);
    const holding = Buffer.concat([Buffer.from('five.'), sizesBehind({ size: 5, packed: 5 }), body]);
    const behind = Buffer.from(
      sizesBehind({ crc: crc32(holding), packed: holding.length, size: holding.length }),
    );
    const found = await compare(zip(holding, { method: 8 }), zip(holding, { local, behind }));
    expect(found.reasons).toEqual(['b: a member has no end that all readers find']);
    expect((await compare(zip(holding, { method: 8 }), zip(holding))).result).toBe('normalised');
  });

  it.each<[string, number, number, string]>([
    ['encrypted', 2, 1, 'a member is encrypted'],
    ['compressed in a way that few read', 4, 99, 'a member is compressed by method 99, which is not read'],
    ['of another checksum', 10, 1, 'a member does not have the checksum or the length that is stated'],
    ['of another length', 18, 1, 'a member does not have the checksum or the length that is stated'],
  ])('is different where both headers say that a member is %s', async (_, at, value, why) => {
    const made = zip(body, { method: 0 });
    const directory = made.lastIndexOf('PK\x01\x02', undefined, 'latin1');
    for (const header of [4, directory + 6]) made.writeUInt16LE(value, header + at);
    const { result, reasons } = await compare(plain, made);
    expect([result, ...reasons]).toEqual([
      'different',
      expect.stringMatching(`^b: (?:${why}|it is not a whole zip)`),
    ]);
  });

  it('is different with bytes between its directory and its end, or an extra field that is none', async () => {
    const more = Buffer.from('more');
    expect(await says({ end: (end) => Buffer.concat([more, end]) })).toBe(
      'different; b: it has bytes between its directory and its end',
    );
    expect(await says({ local: { extra: numbers([2, 7], [2, 9], [2, 0]) } })).toMatch(
      /^different; b: (?:a member has an extra field that cannot be read|it is not a whole zip)/,
    );
  });

  it('is different where its end names another directory', async () => {
    const changed = (at: number, value: number): Lies => ({
      end: (end) => {
        const made = Buffer.from(end);
        made.writeUInt16LE(value, at);
        return made;
      },
    });
    expect(await says(changed(8, 7))).toBe(ends);
    expect(await says(changed(12, 7))).toBe(ends);
    expect(await says({ end: (end, place) => with64(changed(16, 7).end?.(end, place) ?? end, place) })).toBe(
      ends,
    );
    expect(await says({ end: (end, place) => with64(changed(10, 7).end?.(end, place) ?? end, place) })).toBe(
      ends,
    );
    expect(
      await says({ end: (end, place) => with64(end, { ...place, size: 7 }, place.from + place.size) }),
    ).toBe(ends);
  });

  it('is different where its end with 64 bits is not the one that is named', async () => {
    /** An archive whose member holds the end that its last bytes name, and zeros are where that should be. */
    const holding = (from: number, size: number): Buffer =>
      zip(Buffer.concat([with64(Buffer.alloc(0), { from, size }).subarray(0, 56), body]), {
        end: (end, place) => with64(end, place, 30 + 'one'.length).fill(0, 0, 56),
      });
    const first = holding(0, 0);
    const from = first.lastIndexOf('PK\x01\x02', undefined, 'latin1');
    const b = holding(from, 46 + 'one'.length);
    const content = b.subarray(30 + 'one'.length, from);
    const found = await compare(zip(content, { method: 8 }), b);
    expect(found.reasons).toEqual(['b: its end says something else than its directory']);
  });

  it('is read with all that the zip of Debian writes', async () => {
    const dir = await scratch();
    await writeFile(join(dir, 'one'), 'one '.repeat(5000));
    await writeFile(join(dir, 'two'), 'two');
    const run = (script: string) =>
      execFileSync('sh', ['-c', script], { cwd: dir, timeout: 60_000, stdio: ['ignore', 'pipe', 'ignore'] });
    run(
      'zip -q a.zip one two; zip -q -fz b.zip one two; cat one | zip -q - - two | cat > c.zip; zip -q - one two | cat > d.zip',
    );
    const [a, b, d] = await Promise.all(['a.zip', 'b.zip', 'd.zip'].map((name) => readFile(join(dir, name))));
    if (a === undefined || b === undefined || d === undefined) throw new Error('three archives');
    expect((await compare(b, d)).reasons).toEqual([]);
    expect((await compare(a, d)).reasons).toEqual([]);
    expect((await compare(a, b)).reasons).toEqual([]);
  });
});

describe('a tar archive that readers take differently', () => {
  const capability = 'SCHILY.xattr.security.capability';

  /** With an extended header that holds these records. */
  async function tar(records: string): Promise<Buffer> {
    const packer = pack();
    packer.entry({ name: 'PaxHeader', mtime: new Date(1000) }, records);
    packer.entry({ name: 'one', mtime: new Date(1000) }, 'one\n');
    packer.finalize();
    const chunks: Uint8Array[] = [];
    for await (const chunk of packer as AsyncIterable<Uint8Array>) chunks.push(chunk);
    const made = Buffer.concat(chunks);
    made.write('x', 156);
    made.fill(' ', 148, 156);
    const sum = made.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    made.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return made;
  }
  /** Of two digits in length. */
  const record = (key: string, value: string): string => {
    const rest = ` ${key}=${value}\n`;
    return `${rest.length + 2}${rest}`;
  };

  it('is different where a time stands in a record that not all of them read', async () => {
    const rest = record(capability, 'x');
    const time = record('mtime', '1.50');
    const a = await tar(`${time}${rest}`);
    expect((await compare(a, await tar(`${record('mtime', '2.50')}${rest}`))).normalisations).toEqual([
      'times',
    ]);
    const lenient = ' mtime=2.555\n';
    const hex = `0x${(lenient.length + 4).toString(16).padStart(2, '0')}${lenient}`;
    expect((await compare(a, await tar(`${hex}${rest}`))).result).toBe('different');
    expect((await compare(a, await tar(`${record('mtime', '1\n9 uid=0')}${rest}`))).result).toBe('different');
  });
});
