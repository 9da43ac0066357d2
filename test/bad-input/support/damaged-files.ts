import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LocalCluster } from '../../e2e/support/local-cluster.ts';
import { leftFolders, loopback } from './left-folders.ts';

let cluster: LocalCluster;
let left: string;
let address: string;

const damages: Record<string, (bytes: Buffer) => Buffer | 'folder'> = {
  empty: () => Buffer.alloc(0),
  'cut in half': (bytes) => bytes.subarray(0, Math.floor(bytes.length / 2)),
  'changed in one byte': (bytes) => {
    const at = Math.floor(bytes.length / 2);
    return Buffer.from(bytes.with(at, (bytes[at] ?? 0) ^ 1));
  },
  'of other bytes': () => Buffer.from(Array.from({ length: 5000 }, (_, n) => (n * 7919) % 251)),
  'a folder': () => 'folder',
};

/** The first file that fits, where the name is not known. */
async function find(dir: string, file: string): Promise<string> {
  const named = join(dir, file.replace('PROJECT', cluster.project));
  if (!named.includes('*')) return named;
  const fits = new RegExp(`^${basename(named).replaceAll('.', '\\.').replaceAll('*', '.*')}$`);
  const found = (await readdir(dirname(named))).filter((name) => fits.test(name)).sort();
  return join(dirname(named), found[0] ?? basename(named));
}

let copies = 0;

/** Damages a file of a copy of the folders, and runs the command there. */
async function after(file: string, damage: string, { home, cwd, words, works }: Reader) {
  // Short, since a home holds sockets, and the folder for temporary files may have a long path.
  const name = `${++copies}`;
  const dir = join(cluster.dir, 'homes', name);
  for (const folder of new Set([home, cwd, 'repo']))
    await cp(join(left, folder), join(dir, folder), { recursive: true });
  const at = await find(dir, file);
  expect(existsSync(at), at).toBe(true);
  const { mode } = await stat(at);
  const made = damages[damage]?.(await readFile(at)) ?? 'folder';
  await rm(at);
  if (made === 'folder') await mkdir(at);
  else await writeFile(at, made, { mode });
  const place = { home: join(name, home), cwd: join(dir, cwd) };
  const typed = words.map((word) => word.replace('PROJECT', cluster.project).replace('ADDRESS', address));
  const [command = ''] = typed;
  const node = words.length === 0 ? cluster.goOn(place.home) : cluster.inside(command, typed, place);
  const ended = node.end();
  const working =
    works === undefined
      ? Promise.resolve()
      : node.event(works).then(
          () => node.stop(),
          () => undefined,
        );
  const { code } = await ended;
  await working;
  const error = node.lines.find((line) => line.error !== undefined)?.error as
    | { code: string; message: string; hint?: string }
    | undefined;
  return { at, code, error, report: node.report() };
}

/** A command that reads a file; without words a worker, whose machine is not looked at. `works`: the event after which it has read it and is stopped; absent where it ends by itself. */
interface Reader {
  home: string;
  cwd: string;
  words: string[];
  works?: string;
}

const owner = { home: 'owner', cwd: 'repo' };
const controller: Reader = { ...owner, words: ['controller', ...loopback], works: 'listening' };
const jobs: Reader = { ...owner, words: ['jobs'] };
const worker = (home: string): Reader => ({ home, cwd: home, words: [], works: 'connected' });
const idp: Reader = {
  home: 'owner',
  cwd: 'idp',
  works: 'listening',
  words: ['idp', '--charter', join('..', 'repo', '.quorate', 'charter.jws'), ...loopback],
};
const depot: Reader = {
  home: 'depot',
  cwd: 'depot',
  works: 'listening',
  words: ['store', 'serve', '--project', 'PROJECT', '--bootstrap', 'ADDRESS', ...loopback],
};
const on: Reader = { ...owner, words: ['on', 'trusted', '--ref', 'main', '--', 'true'], works: 'following' };
const watch: Reader = { ...owner, words: ['watch'], works: 'looked' };

/** Each file, and what reads it. */
const table: [file: string, reader: Reader][] = [
  ['repo/.quorate/charter.jws', controller],
  ['repo/.quorate/controller.key', controller],
  ['repo/.quorate/idp.key', controller],
  ['repo/.quorate/root.key', controller],
  ['repo/.quorate/keys/*.key', controller],
  ['repo/.quorate/controller.db', controller],
  ['repo/.quorate/checkpoint.txt', controller],
  ['repo/.quorate/peers.json', controller],
  ['repo/.quorate/store/pins.log', controller],
  ['repo/.quorate/store/public/index.db', controller],
  ['repo/.quorate/store/public/1.car', controller],
  ['repo/.quorate/images/bafy*.json', { ...owner, words: ['image', 'list'] }],
  ['repo/.quorate/controller.json', jobs],
  ['owner/node.key', { ...owner, words: ['key'] }],
  ['owner/projects/PROJECT.json', jobs],
  ['ada/revocations/PROJECT.json', worker('ada')],
  ['owner/hooks/PROJECT/trusted/journal.db', on],
  ['owner/watch-PROJECT.db', watch],
  ['ada/worker-PROJECT.db', worker('ada')],
  ['ada/witness-PROJECT.json', worker('ada')],
  ['tower/log-PROJECT.txt', worker('tower')],
  ['depot/store-PROJECT.json', depot],
  ['idp/.quorate/idp.key', idp],
];

/** Another error, of a file that is a whole one and holds another address. */
const whole: Record<string, string> = { 'controller.json changed in one byte': 'CONTROLLER_UNREACHABLE' };
/** Made anew from other files or peers, or checked when it is read. */
const madeAnew = /(?:peers\.json|index\.db|1\.car) /;
/** As a crash leaves them; the rest is asked for again. */
const asAfterCrash = /(?:pins\.log|log-PROJECT\.txt) (?:empty|cut in half)$/;

export const everyDamage = Object.keys(damages);

/** Reads each file of `folders` with the damages of its row, by `of`; not those with none. */
export function damagedFiles(of: (row: number, file: string) => string[], folders = leftFolders): void {
  beforeAll(async () => {
    ({ cluster, left, address } = await folders());
    // For those of the other nodes.
    await cluster.startController();
  });
  const rows = table.map(([file, reader], row) => ({ file, reader, damages: of(row, file) }));
  describe.each(rows.filter(({ damages }) => damages.length > 0))(
    '$file',
    ({ file, reader, damages: some }) => {
      it.each(some)('%s: is named, with what mends it', async (damage) => {
        const { at, code, error, report } = await after(file, damage, reader);
        const which = `${basename(file)} ${damage}`;
        if (error !== undefined && error.code === whole[which]) return;
        // One byte may be of an unused page, or make another whole value.
        const mayBeWhole =
          damage === 'changed in one byte' || madeAnew.test(which) || asAfterCrash.test(which);
        if (code === 0 && mayBeWhole) return;
        expect(error?.code, report).toBeDefined();
        expect(error?.code, report).not.toMatch(/^CLI_|^INTERNAL/);
        expect(`${error?.message}`, report).toContain(at);
        expect(error?.hint, report).toMatch(/.{10,}/);
      });
    },
  );
}
