import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** The kinds of file that a home keeps and that have a format, by what their names look like. */
const kinds: [name: string, pattern: RegExp, format: (file: string) => string][] = [
  ['journal of a controller', /\/controller\.db$/, journal],
  ['journal of an identity provider', /\/idp\.db$/, journal],
  ['journal of a worker', /\/worker-\w+\.db$/, journal],
  ['journal of a watcher', /\/watch-\w+\.db$/, journal],
  ['journal of a hook', /\/hooks\/.*\/journal\.db$/, journal],
  ['store', /\/store\/public\/index\.db$/, store],
  ['list of pins', /\/pins\.log$/, (file) => lines(file, /^[0-9a-f]{8} (?:format (\d+)\b)?/m)],
  ['copy of the log', /\/log-\w+\.txt$/, (file) => lines(file, /^\t(?:format (\d+)$)?/m)],
  ['address of a controller', /\/controller\.json$/, json],
  ['image', /\/images\/\w+\.json$/, json],
  ['membership', /\/projects\/\w+\.json$/, json],
  ['revocations', /\/revocations\/\w+\.json$/, json],
  ['checkpoints of a witness', /\/witness-\w+\.json$/, json],
  ['ledger of a store', /\/store-\w+\.json$/, json],
  ['sign-ins', /\/sign-ins\.json$/, json],
  ['alarms that were told', /\/told-alarms-\w+\.json$/, json],
  ['tiers that were agreed to', /\/tiers\.json$/, json],
];

function open<T>(file: string, read: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    return read(db);
  } finally {
    db.close();
  }
}

function journal(file: string): string {
  return open(file, (db) => {
    const format = db.prepare("SELECT value FROM about WHERE key = 'version'").get()?.value;
    const rules = db.prepare('SELECT rules FROM events ORDER BY seq DESC LIMIT 1').get()?.rules;
    return `format ${format}, rules ${rules}`;
  });
}

function store(file: string): string {
  return open(file, (db) => `format ${db.prepare('PRAGMA user_version').get()?.user_version}`);
}

/** Of a file of lines, whose second format has checksums, and whose later ones say which they are. */
function lines(file: string, checksum: RegExp): string {
  const found = checksum.exec(readFileSync(file, 'latin1'));
  return `format ${found === null ? 1 : (found[1] ?? 2)}`;
}

function json(file: string): string {
  const { v = 1, crc32 } = JSON.parse(readFileSync(file, 'utf8')) as { v?: number; crc32?: number };
  return `version ${v}${crc32 === undefined ? '' : ', with a checksum'}`;
}

/** The format of each kind of file that is below a folder, as the files say it themselves. */
export function formatsOf(dir: string): Record<string, string> {
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' }).map((name) => join(dir, name));
  return Object.fromEntries(
    kinds.flatMap(([name, pattern, format]) => {
      const found = new Set(files.filter((file) => pattern.test(file)).map(format));
      return found.size === 0 ? [] : [[name, [...found].join('; ')]];
    }),
  );
}
