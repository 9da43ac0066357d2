import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { openStore } from '../../../src/store/index.ts';
import { type Answer, codeIn, Person } from '../../bad-input/support/person.ts';
import { command, Inside } from '../../e2e/support/inside.ts';

let person: Person;

beforeAll(async () => {
  person = await Person.arrive();
  vi.stubEnv('TMPDIR', person.tmp);
});

interface Place {
  cwd?: string;
  home?: string;
}

const diff = (words: string[], place: Place = {}): Promise<Answer> =>
  person.inside(['diff', '--no-diffoscope', ...words], place);

async function events(words: string[], place: Place = {}): Promise<{ raw: string; lines: unknown[] }> {
  const raw: string[] = [];
  const where = { cwd: person.at('folder'), home: person.at('home'), json: true, ...place };
  const run = command(['diff', '--no-diffoscope', ...words], where);
  const told = new Inside('quorate diff', (tell, signal) =>
    run({ ...tell, out: (text) => raw.push(text) }, signal),
  );
  await told.end();
  const lines = raw.join('').trim().split('\n');
  return { raw: raw.join(''), lines: lines.map((line): unknown => JSON.parse(line)) };
}

let made = 0;

/** A new folder of these files; text that begins with "->" is the target of a link, with "#!" an executable. */
async function folder(files: Record<string, string>): Promise<string> {
  const dir = person.at(`folder-${made++}`);
  await mkdir(dir);
  for (const [path, text] of Object.entries(files)) {
    const file = join(dir, path);
    await mkdir(dirname(file), { recursive: true });
    if (text.startsWith('->')) await symlink(text.slice(2), file);
    else await writeFile(file, text);
    if (text.startsWith('#!')) await chmod(file, 0o755);
  }
  return dir;
}

/** Puts a folder into a local store, which is closed again. */
async function stored(dir: string, from: string): Promise<string> {
  const store = await openStore({ dir });
  try {
    return (await store.importDirectory(from, { into: store.public })).root;
  } finally {
    await store.close();
  }
}

const before = {
  'bin/run': '#!/bin/sh\necho 2026-01-01\n',
  'bin/mode': '#! same',
  gone: 'x',
  kind: 'a file',
  link: '->bin/run',
  same: 'same',
};
const after = {
  'bin/run': '#!/bin/sh\necho 2026-01-02, later\n',
  'bin/mode': '#! same',
  'kind/below': 'a folder',
  link: '->bin/mode',
  'new/file': 'x',
  same: 'same',
};

describe('quorate diff', () => {
  it('says of two folders what differs, and how', async () => {
    const [a, b] = [await folder(before), await folder(after)];
    await chmod(join(b, 'bin/mode'), 0o644);
    const { code, out, err, report } = await diff([a, b]);
    expect(code, report).toBe(1);
    expect(err).toBe('');
    expect(out.split('\n')).toEqual([
      expect.stringMatching(/^a bafybei\w+, the folder \S*folder-\d+$/),
      expect.stringMatching(/^b bafybei\w+, the folder \S*folder-\d+$/),
      'changed bin/mode: executable → not executable',
      'changed bin/run: 26 B → 33 B; bytes differ from offset 24 on',
      '  a 00000014  30 31 2d 30 31 0a                                01-01.',
      '  b 00000014  30 31 2d 30 32 2c 20 6c 61 74 65 72 0a           01-02, later.',
      'removed gone: file, 1 B',
      'changed kind: file, 6 B → folder',
      'changed link: link to bin/run → link to bin/mode',
      'added   new: folder',
      'Different.',
      '1 added, 1 removed, 4 changed',
      '',
    ]);
    expect(await person.litter()).toEqual([]);
  });

  it('names the side that is missing, where the other is a folder or file here', async () => {
    const cwd = await folder({ 'out/x': 'x', file: 'x' });
    for (const [side, kind] of [
      ['out', 'folder'],
      ['file', 'file'],
    ] as const) {
      const { code, err } = await diff([side], { cwd });
      expect(code).toBe(2);
      expect(err).toContain(`"${side}" is a ${kind} here, and what to compare it with is missing`);
    }
  });

  it('is 0 for what is the same', async () => {
    const { code, out } = await diff([await folder(before), await folder(before)]);
    expect([code, out.split('\n').at(-2)]).toEqual([0, 'The same.']);
  });

  it('takes artifacts from the stores of the home and of the project, and leaves those as they are', async () => {
    const [home, project] = [person.at('home-with-store'), person.at('project')];
    await mkdir(join(project, '.quorate'), { recursive: true });
    await writeFile(join(project, '.quorate', 'charter.jws'), '');
    const a = await stored(join(home, 'store'), await folder(before));
    const b = await stored(join(project, '.quorate', 'store'), await folder(after));
    const pins = () => readFile(join(home, 'store', 'pins.log'), 'utf8');
    const left = await pins();
    const { lines } = await events([a, b], { cwd: project, home });
    expect(lines[0]).toEqual({
      event: 'sides',
      a: { cid: a, from: 'store', level: 'none' },
      b: { cid: b, from: 'store', level: 'none' },
    });
    expect(lines.at(-1)).toEqual({ event: 'diff', differs: true, added: 1, removed: 1, changed: 3 });
    expect((await diff([a, await folder(before)], { home })).code).toBe(0);
    expect(await pins()).toBe(left);
  });

  it('answers in JSON with everything of both sides, and is safe to look at', async () => {
    const name = 'name';
    const [a, b] = [await folder({ [name]: 'ab\u001b[2J' }), await folder({ [name]: 'ac' })];
    const { raw, lines } = await events([a, b]);
    expect(raw).not.toMatch(/[^\P{Cc}\n]|[\u202a-\u202e]/u);
    expect(lines[1]).toEqual({
      event: 'difference',
      path: name,
      change: 'changed',
      a: { kind: 'file', size: 6, executable: false, cid: expect.any(String) },
      b: { kind: 'file', size: 2, executable: false, cid: expect.any(String) },
      first: { offset: 1, from: 0, a: '61621b5b324a', b: '6163' },
    });
    const { out } = await diff([a, b]);
    expect(out).not.toMatch(/[^\P{Cc}\n]|[\u202a-\u202e]/u);
    expect(out).toContain('changed name: 6 B → 2 B; bytes differ from offset 1 on\n');
    expect(out).toContain('  a 00000000  61 62 1b 5b 32 4a                                ab.[2J\n');
  });

  it('refuses a folder with a name that no artifact has, and prints nothing of it raw', async () => {
    const name = 'n\u009b2J\u202e\u001b[2J\n';
    const { code, out, err } = await diff([await folder({ [name]: 'a' }), await folder({ name: 'a' })]);
    expect([code, err]).toEqual([3, expect.stringContaining('STORE_NAME_REFUSED')]);
    expect(out + err).not.toMatch(/[^\P{Cc}\n]|[\u202a-\u202e]/u);
  });

  it('prints a hundred differences as text, and all of them as JSON', async () => {
    const many = (text: string) =>
      folder(Object.fromEntries(Array.from({ length: 130 }, (_, n) => [`f${n}`, text])));
    const [a, b] = [await many('1'), await many('2')];
    const { out } = await diff([a, b]);
    expect(out.match(/^changed /gm)).toHaveLength(100);
    expect(out).toMatch(/\nand 30 more; --json lists all\nDifferent\.\n0 added, 0 removed, 130 changed\n$/);
    expect((await events([a, b])).lines).toHaveLength(263);
  });
});

describe('quorate diff refuses', () => {
  const nowhere = 'bafybeihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku';

  it.each([
    ['what is neither', ['nothing-here', '.'], 2, 'CLI_USAGE'],
    ['what is no CID of a tree', ['bafynonsense', '.'], 2, 'CLI_USAGE'],
    ['one side alone', ['.'], 2, 'CLI_USAGE'],
    ['an artifact of no store, where no project is known', [nowhere, '.'], 3, 'ARTIFACT_NOT_FOUND'],
  ])('%s', async (_, words, exit, error) => {
    const cwd = await folder({ 'quorate.yaml': '' });
    const { code, err, report } = await diff(words, { cwd });
    expect([code, codeIn(err)], report).toEqual([exit, error]);
    expect(err).toMatch(/^hint: ./m);
  });

  it('an artifact of a store that a node uses, where no project is known', async () => {
    const home = person.at('busy');
    const a = await stored(join(home, 'store'), await folder(before));
    const store = await openStore({ dir: join(home, 'store') });
    try {
      expect(codeIn((await diff([a, a], { home })).err)).toBe('ARTIFACT_NOT_FOUND');
    } finally {
      await store.close();
    }
  });

  it('a folder that no tree can hold', async () => {
    const cwd = await folder({ out: '->../..' });
    const { code, err } = await diff(['.', '.'], { cwd });
    expect([code, codeIn(err)]).toEqual([3, 'STORE_LINK_ESCAPES']);
    expect(await person.litter()).toEqual([]);
  });
});
