import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { expect, onTestFinished } from 'vitest';
import { loadKey } from '../../src/identity/keys.ts';
import { openJournal } from '../../src/journal/index.ts';
import { writeJson } from '../../src/node/files.ts';
import { encodeCanonical } from '../../src/protocol/documents/index.ts';
import { contentOf } from './content.ts';
import { goldenHomes, unpack } from './golden.ts';

export async function copyOf(n: number): Promise<string> {
  const dir = await unpack(n);
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

type Change = (file: string) => unknown;
/** A file, how it is newer, and what the error has to say of it. */
type Newer = [file: string, what: string, change: Change, says: RegExp];

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
/** Changes that journals of all machines refuse alike. */
export const newerJournals: Newer[] = journals.flatMap((file): Newer[] => [
  [
    ...[file, 'of another format', sql("UPDATE about SET value = '4' WHERE key = 'version'")],
    /of format 4, and this version reads 2 and 3/,
  ] as const,
  [file, 'of later rules', sql('UPDATE events SET rules = 99'), /of rules 99, and this version has rules \d/],
]);

/** Files that a later version may leave. */
export const newer: Newer[] = [
  ...newerJournals.slice(0, 2),
  ...journals.map(
    (file): Newer => [
      file,
      'with an event of an unknown kind',
      unknownEvent,
      /no event "tomorrow", which its event \d+ is/,
    ],
  ),
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
    (file): Newer =>
      [
        ...[file, 'of another version', json({ v: 2 }), /of version 2, and this one reads version 1/],
      ] as const,
  ),
  [
    ...['owner/projects/PROJECT.json', 'with a value that is not known', json({ role: 'auditor' })],
    /as it was written, and has at role what/,
  ] as const,
];

/** The newest homes are refused by the name of such a file, which is not touched. */
export async function isRefused([name, _, change, says]: Newer): Promise<void> {
  const newest = goldenHomes().at(-1);
  const dir = await copyOf(newest?.n ?? 0);
  const { project } = (newest?.content ?? {}) as { project?: string };
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
}
