import { mkdir, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { boundedPairs, type FilePair } from '../../../src/client/comparison/diffoscope.ts';
import { Person } from '../../bad-input/support/person.ts';
import { command, Inside } from '../../e2e/support/inside.ts';

let person: Person;

beforeAll(async () => {
  person = await Person.arrive();
  vi.stubEnv('TMPDIR', person.tmp);
});

async function folders(name: string, contents: [a: string | Uint8Array, b: string | Uint8Array]) {
  const dirs = ['a', 'b'].map((side) => person.at(`${name}-${side}`));
  for (const [n, dir] of dirs.entries()) {
    await mkdir(dir);
    await writeFile(`${dir}/data.gz`, contents[n] ?? '');
  }
  return dirs;
}

const packed = (text: string): Uint8Array => gzipSync(text, { level: 9 });

describe('quorate diff, where diffoscope is installed', () => {
  it('shows what differs inside of a file, and obeys none of it', async () => {
    const dirs = await folders('packed', [
      packed('one\n\u001b[2Jtwo\n'),
      packed('one\n\u009b2Jthree\u202e\n'),
    ]);
    const { code, out, err, report } = await person.inside(['diff', '--tier', 'namespace', ...dirs]);
    expect(code, report).toBe(1);
    expect(err).toBe('');
    expect(out).toContain('+++ b/data.gz\n');
    expect(out).toMatch(/^.*-\\x1b\[2Jtwo$/m);
    expect(out).toMatch(/^.*\+\\x9b2Jthree\\u202e$/m);
    expect(out).not.toMatch(/[^\P{Cc}\n\t]|[\u202a-\u202e]/u);
    expect(out).toMatch(/\n0 added, 0 removed, 1 changed\n$/);
    const place = { cwd: person.at('folder'), home: person.at('home'), json: true };
    const json = new Inside('quorate diff', command(['diff', '--tier', 'namespace', ...dirs], place));
    expect((await json.end()).code).toBe(1);
    expect(json.all('diffoscope').length, json.report()).toBeGreaterThan(5);
    expect(await person.litter()).toEqual([]);
  });

  it('does not run it where there is no sandbox for it, and says so', async () => {
    const dirs = await folders('open', [packed('one'), packed('two')]);
    const home = person.at('home-without-records');
    await mkdir(home);
    // The sandbox keeps a record of each job in a folder of this name.
    await writeFile(`${home}/sandbox`, '');
    const { code, out, err } = await person.inside(['diff', '--tier', 'namespace', ...dirs], { home });
    expect(code).toBe(1);
    expect(err).toMatch(/^diffoscope is not run: [A-Z_]+: .+\n$/);
    expect(out).not.toContain('+++ ');
    expect(out).toMatch(/\n0 added, 0 removed, 1 changed\n$/);
  });

  it('does not run it where it is told', async () => {
    const dirs = await folders('told', [packed('one'), packed('two')]);
    const { out, err } = await person.inside(['diff', '--no-diffoscope', ...dirs]);
    expect([out.includes('+++ '), err]).toEqual([false, '']);
  });
});

it('diffoscope gets no more files than it can take in its time, the first ones first', () => {
  const pair = (size: number): FilePair => {
    const side = { path: 'x', kind: 'file', size, executable: false, cid: 'x' } as const;
    return { a: side, b: side };
  };
  const mebibyte = 1024 * 1024;
  expect(boundedPairs(Array.from({ length: 60 }, () => pair(1)))).toHaveLength(50);
  expect(boundedPairs([pair(20 * mebibyte), pair(20 * mebibyte), pair(1)])).toEqual([
    pair(20 * mebibyte),
    pair(1),
  ]);
});
