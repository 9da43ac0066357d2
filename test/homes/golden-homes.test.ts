import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checkHome } from '../../src/backup/check.ts';
import { loadKey } from '../../src/identity/keys.ts';
import { openJournal } from '../../src/journal/index.ts';
import { writeJson } from '../../src/node/files.ts';
import { encodeCanonical } from '../../src/protocol/documents/index.ts';
import { contentOf } from './content.ts';
import { formatsOf } from './formats.ts';
import { addGolden, goldenFolder, goldenHomes, unpack } from './golden.ts';

const all = goldenHomes();
const newest = all.at(-1)?.n ?? 0;

async function copyOf(n: number): Promise<string> {
  const dir = await unpack(n);
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

describe.each(all)('the homes $n of test/vectors/homes', ({ n, formats, content }) => {
  it('are of the formats that they are kept for', async () => {
    expect(formatsOf(await copyOf(n))).toEqual(formats);
  });

  it('are read as they were by the version that made them, also once they are of today', async () => {
    const dir = await copyOf(n);
    expect(await contentOf(dir)).toEqual(content);
    expect(await contentOf(dir)).toEqual(content);
  });
});

it('homes that are kept are not written again, and those of other formats get a number of their own', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-golden-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const left = await copyOf(newest);
  const add = (format: string, content: string) =>
    addGolden(left, { formats: { store: format }, content }, folder);
  expect(await add('format 1', 'a')).toBe(1);
  expect(await add('format 1', 'b')).toBeUndefined();
  expect(await add('format 2', 'c')).toBe(2);
  expect(goldenHomes(folder).map(({ content }) => content)).toEqual(['a', 'c']);
  await rm(join(folder, '2.json'));
  await expect(add('format 3', 'd')).rejects.toThrow(/EEXIST/);
  expect(readdirSync(goldenFolder).length).toBe(2 * all.length);
});

type Change = (file: string) => unknown;

const sql =
  (text: string): Change =>
  (file) => {
    const db = new DatabaseSync(file);
    db.exec(text);
    db.close();
  };

/** An event of a kind that a later version added without new rules. */
const unknownEvent: Change = (file) => {
  const db = new DatabaseSync(file, { readOnly: true });
  const name = String(db.prepare("SELECT value FROM about WHERE key = 'machine'").get()?.value);
  const rules = Number(db.prepare('SELECT MAX(rules) AS rules FROM events').get()?.rules);
  db.close();
  const journal = openJournal<{ kind: string }>(file, { name, rules });
  journal.append({ kind: 'tomorrow' }, 2 ** 50);
  journal.close();
};

const line = (text: string) => `${crc32(text).toString(16).padStart(8, '0')} ${text}\n`;
const before =
  (text: string): Change =>
  (file) =>
    writeFileSync(file, text + readFileSync(file, 'utf8'));
const json =
  (more: object): Change =>
  async (file) => {
    const { crc32: _, ...value } = JSON.parse(readFileSync(file, 'utf8'));
    await writeJson(file, { ...value, ...more });
  };

/** The charter that an owner signs with a later version. */
const laterCharter: Change = async (file) => {
  const { signer } = await loadKey(join(file, '..', 'root.key'));
  const [header, payload] = readFileSync(file, 'utf8')
    .split('.', 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()));
  writeFileSync(file, await signer.jws(header, encodeCanonical({ ...payload, v: 2 })));
};

const journals = [
  'repo/.quorate/controller.db',
  'apart/.quorate/idp.db',
  'ada/worker-PROJECT.db',
  'owner/watch-PROJECT.db',
  'owner/hooks/PROJECT/trusted/journal.db',
];
/** Files that a later version may leave; what the error has to say of it. */
const newer: [file: string, what: string, change: Change, says: RegExp][] = [
  ...journals.flatMap((file): (typeof newer)[number][] => [
    [
      ...[file, 'of another format', sql("UPDATE about SET value = '4' WHERE key = 'version'")],
      /of format 4, and this version reads 2 and 3/,
    ] as const,
    [
      file,
      'of later rules',
      sql('UPDATE events SET rules = 99'),
      /of rules 99, and this version has rules \d/,
    ],
    [file, 'with an event of an unknown kind', unknownEvent, /no event "tomorrow", which its event \d+ is/],
  ]),
  ['repo/.quorate/charter.jws', 'of another version', laterCharter, /charter is of version 2/],
  [
    'repo/.quorate/store/public/index.db',
    'of another format',
    sql('PRAGMA user_version = 2'),
    /format 2.* 1$/,
  ],
  ['repo/.quorate/store/pins.log', 'of another format', before(line('format 4 x')), /"format 4 x" \(1\)/],
  ['repo/.quorate/store/pins.log', 'with an unknown line', before(line('hold bafy 1 x')), /"hold bafy 1 x"/],
  ['tower/log-PROJECT.txt', 'of another format', before('\tformat 3\n'), /of format 3, .* reads format 2/],
  ...[
    'repo/.quorate/controller.json',
    'repo/.quorate/images/*.json',
    'owner/projects/PROJECT.json',
    'ada/revocations/PROJECT.json',
    'ada/witness-PROJECT.json',
    'depot/store-PROJECT.json',
    'owner/sign-ins.json',
    'owner/told-alarms-PROJECT.json',
    'ada/tiers.json',
  ].map(
    (file): (typeof newer)[number] =>
      [
        ...[file, 'of another version', json({ v: 2 }), /of version 2, and this one reads version 1/],
      ] as const,
  ),
  [
    ...['owner/projects/PROJECT.json', 'with a value that is not known', json({ role: 'auditor' })],
    /as it was written, and has at role what/,
  ] as const,
];

it.each(newer.filter(([name]) => /^repo.*(?:controller\.db|pins\.log|charter\.jws)$/.test(name)))(
  'a check of %s, %s, says that it is newer, and not that it is damaged',
  async (name, _, change, says) => {
    const dir = await copyOf(newest);
    await change(join(dir, name));
    const folder = join(dir, 'repo', '.quorate');
    const checked = checkHome({ role: 'controller', folder, signal: new AbortController().signal });
    const message = expect.stringMatching(says);
    await expect(checked).rejects.toMatchObject({ code: 'HOME_NEWER', message });
    await expect(checked).rejects.toThrow(join(dir, name));
  },
);

describe('a file of a newer version is refused by its name, and not touched:', () => {
  it.each(newer)('%s, %s', async (name, _, change, says) => {
    const dir = await copyOf(newest);
    const { project } = (all.at(-1)?.content ?? {}) as { project?: string };
    const pattern = join(dir, name.replaceAll('PROJECT', String(project)));
    const folder = join(pattern, '..');
    const file = basename(pattern).startsWith('*')
      ? join(folder, readdirSync(folder).find((one) => one.endsWith('.json')) ?? '')
      : pattern;
    expect(existsSync(file), file).toBe(true);
    await change(file);
    const left = readFileSync(file);
    const error = await contentOf(dir).then(
      () => undefined,
      (thrown: { code?: string; message: string; hint?: string }) => thrown,
    );
    expect(error, error?.message).toMatchObject({
      code: 'HOME_NEWER',
      hint: expect.stringMatching(/backup/),
    });
    expect(error?.message).toContain(file);
    expect(error?.message).toMatch(says);
    expect(readFileSync(file).equals(left)).toBe(true);
  });
});
