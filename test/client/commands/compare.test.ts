import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { comparisonLimits } from '../../../src/client/comparison/limits.ts';
import { openStore } from '../../../src/store/index.ts';
import { type Answer, codeIn, Person } from '../../bad-input/support/person.ts';
import { command, Inside } from '../../e2e/support/inside.ts';
import { file, tarOf } from '../../image/support.ts';
import { withLimits } from '../../support/with-limits.ts';

let person: Person;
/** Of `tree`, in the store of the home. */
let cid: string;
let tar: Buffer;

beforeAll(async () => {
  person = await Person.arrive();
  vi.stubEnv('TMPDIR', person.tmp);
  tar = await tarOf([file('package/one', 'one'), file('package/two', 'two'.repeat(1000))]);
  await tree(person.at('built'), { 'x-1.0.0.tgz': gzipSync(tar), 'bin/tool': 'tool' });
  const store = await openStore({ dir: person.at('home', 'store') });
  try {
    cid = (await store.importDirectory(person.at('built'), { into: store.public })).root;
  } finally {
    await store.close();
  }
});

async function tree(dir: string, files: Record<string, string | Buffer>): Promise<string> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), content);
  }
  return dir;
}

const compare = (...words: string[]): Promise<Answer> =>
  person.inside(['compare', '--no-diffoscope', ...words]);

async function events(...words: string[]): Promise<{ code: number | null; lines: unknown[] }> {
  const raw: string[] = [];
  const where = { cwd: person.at('folder'), home: person.at('home'), json: true };
  const run = command(['compare', '--no-diffoscope', ...words], where);
  const told = new Inside('quorate compare', (tell, signal) =>
    run({ ...tell, out: (text) => raw.push(text) }, signal),
  );
  const { code } = await told.end();
  return {
    code,
    lines: raw
      .join('')
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line)),
  };
}

describe('quorate compare', () => {
  it('is 0 for the same, 4 for the same tar compressed otherwise, and 1 for another', async () => {
    const here = await tree(person.at('folder'), {
      'same/x-1.0.0.tgz': gzipSync(tar),
      'packed/x-1.0.0.tgz': gzipSync(tar, { level: 0 }),
      'other/x-1.0.0.tgz': gzipSync(await tarOf([file('package/one', 'onE'), file('package/three')])),
    });
    const same = await compare(cid, 'same/x-1.0.0.tgz');
    expect([same.code, same.out.split('\n').at(-2)], same.report).toEqual([0, 'The same.']);
    const packed = await compare(cid, 'packed/x-1.0.0.tgz');
    expect(packed.code, packed.report).toBe(4);
    expect(packed.out).toMatch(/^changed x-1.0.0.tgz: .* bytes differ from offset \d+ on$/m);
    expect(packed.out).toMatch(/^ {2}the tar within is the same: .*, sha256 [0-9a-f]{64}$/m);
    expect(packed.out).toContain('The bytes differ; the same but for the compression by gzip.\n');
    const { code, lines } = await events(`${cid}/x-1.0.0.tgz`, join(here, 'packed/x-1.0.0.tgz'));
    expect(code).toBe(4);
    expect(lines).toEqual([
      expect.objectContaining({ event: 'sides', b: expect.objectContaining({ from: 'file' }) }),
      expect.objectContaining({ event: 'difference', path: 'x-1.0.0.tgz' }),
      expect.objectContaining({
        event: 'compared',
        path: 'x-1.0.0.tgz',
        result: 'normalised',
        normalisations: ['gzip'],
        within: { format: 'tar', bytes: tar.length, sha256: expect.any(String) },
      }),
      { event: 'compare', result: 'normalised', normalisations: ['gzip'], normalised: 1, different: 0 },
      { event: 'diff', differs: true, added: 0, removed: 0, changed: 1 },
    ]);
    const other = await compare(cid, 'other/x-1.0.0.tgz');
    expect(other.code).toBe(1);
    expect(other.out.split('\n').slice(-6)).toEqual([
      '  member package/one: changed: content',
      '  member package/three: added, file, 0 B',
      '  member package/two: removed, file, 2.9 KiB',
      'Different.',
      '0 added, 0 removed, 1 changed',
      '',
    ]);
    expect(await person.litter()).toEqual([]);
  });

  it('tells of folders which members differ, and which only in compression', async () => {
    const folder = await tree(person.at('folder', 'unpacked'), {
      'x-1.0.0.tgz': gzipSync(tar, { level: 1 }),
      'bin/tool': 'tool',
    });
    expect((await compare(cid, folder)).code).toBe(4);
    await writeFile(join(folder, 'bin', 'tool'), 'toul');
    const { code, lines } = await events(cid, folder);
    expect(code).toBe(1);
    expect(lines.slice(1).filter((line) => !/"(difference|diff)"/.test(JSON.stringify(line)))).toMatchObject([
      { event: 'compared', path: 'bin/tool', result: 'different' },
      { event: 'compared', path: 'x-1.0.0.tgz', result: 'normalised' },
      { event: 'compare', result: 'different', normalisations: [], normalised: 1, different: 1 },
    ]);
    expect((await compare(person.at('built'), person.at('built'))).code).toBe(0);
    expect((await compare(`${cid}/bin`, folder)).code).toBe(1);
  });

  it('tells of all files although one is an archive beyond the bounds', async () => {
    const archive = (level: number) => gzipSync(Buffer.alloc(1_000_000), { level });
    const a = await tree(person.at('one'), { '0.gz': archive(1), tool: 'tool' });
    const b = await tree(person.at('other'), { '0.gz': archive(9), tool: 'toul' });
    withLimits(comparisonLimits, { unpackedBytesMax: 1000 });
    const { code, out, report } = await compare(a, b);
    expect(code, report).toBe(1);
    expect(out).toMatch(/^ {2}not read whole: the archives unpack to more than /m);
    expect(out).toMatch(/^changed tool: /m);
    expect(await person.litter()).toEqual([]);
  });

  it('takes a file by its path, by its name, or the only one', async () => {
    await writeFile(person.at('folder', 'mine'), 'tool');
    expect((await compare(`${cid}/bin/tool`, 'mine')).code).toBe(0);
    expect((await compare(`${cid}/bin`, 'mine')).code).toBe(0);
    expect(codeIn((await compare(cid, 'mine')).err)).toBe('COMPARE_KINDS');
    expect(codeIn((await compare(`${cid}/none`, 'mine')).err)).toBe('COMPARE_PATH_UNKNOWN');
    expect((await compare('mine', `${cid}/bin`)).code).toBe(0);
    expect((await compare(`${cid}/bin/tool`, `${cid}/bin/tool`)).code).toBe(0);
    expect(codeIn((await compare(cid, 'mine')).err)).toBe('COMPARE_KINDS');
    const missing = await compare(cid, 'missing');
    expect([missing.code, codeIn(missing.err)]).toEqual([2, 'CLI_USAGE']);
    expect(codeIn((await compare('bafyno', 'mine')).err)).toBe('CLI_USAGE');
    await writeFile(person.at('folder', 'empty'), '');
    expect((await compare(`${cid}/bin/tool`, 'empty')).code).toBe(1);
  });

  it('refuses a file that is larger than a tree, and one that cannot be read', async () => {
    await writeFile(person.at('folder', 'huge'), '');
    await truncate(person.at('folder', 'huge'), 9 * 2 ** 30);
    const { code, err } = await compare(`${cid}/bin/tool`, 'huge');
    expect([code, codeIn(err)]).toEqual([3, 'STORE_TREE_TOO_LARGE']);
    // A file that cannot be read, whoever runs the tests.
    const unreadable = await compare(`${cid}/bin/tool`, '/proc/self/mem');
    expect([unreadable.code, codeIn(unreadable.err)]).toEqual([3, 'COMPARE_FILE_UNREADABLE']);
    expect(await person.litter()).toEqual([]);
  });
});
