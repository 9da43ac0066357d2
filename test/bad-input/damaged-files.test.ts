import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { LocalCluster } from '../e2e/support/local-cluster.ts';

let cluster: LocalCluster;

beforeAll(async () => {
  cluster = await LocalCluster.start();
  // The owner's home and the folder of the project get all their files.
  expect((await cluster.cli(['jobs'])).code).toBe(0);
  await cluster.control.stop();
});

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

/** Damages a file of a copy of both folders, and runs the command there. */
async function after(file: string, damage: keyof typeof damages, words: string[]) {
  const dir = join(cluster.dir, `${basename(file)} ${damage}`.replaceAll(/[^\w.]/g, '-'));
  await cp(cluster.projectDir, join(dir, 'repo'), { recursive: true });
  await cp(cluster.home('owner'), join(dir, 'home'), { recursive: true });
  const at = join(dir, file.replace('PROJECT', cluster.project));
  expect(existsSync(at), at).toBe(true);
  const { mode } = await stat(at);
  const made = damages[damage]?.(await readFile(at)) ?? 'folder';
  await rm(at);
  if (made === 'folder') await mkdir(at);
  else await writeFile(at, made, { mode });
  const node = cluster.inside(words[0] ?? '', words, {
    home: join('..', basename(dir), 'home'),
    cwd: join(dir, 'repo'),
  });
  const ended = node.end(60_000);
  const listening = node.event('listening').then(
    () => node.stop(),
    () => undefined,
  );
  const { code } = await ended;
  await listening;
  const error = node.lines.find((line) => line.error !== undefined)?.error as
    | { code: string; message: string; hint?: string }
    | undefined;
  return { at, code, error, report: node.report() };
}

const controller = ['controller', '--listen', '/ip4/127.0.0.1/tcp/0'];
/** Each file, and a command that reads it. */
const table: [file: string, words: string[]][] = [
  ['repo/.quorate/charter.jws', controller],
  ['repo/.quorate/controller.key', controller],
  ['repo/.quorate/idp.key', controller],
  ['repo/.quorate/root.key', controller],
  ['repo/.quorate/controller.db', controller],
  ['repo/.quorate/checkpoint.txt', controller],
  ['repo/.quorate/controller.json', ['jobs']],
  ['home/node.key', ['key']],
  ['home/projects/PROJECT.json', ['jobs']],
];

/** Damage after which a file is a whole one: an empty journal, another address. */
const whole: Record<string, string> = {
  'controller.db empty': 'LOG_BEHIND_CHECKPOINT',
  'controller.json changed in one byte': 'CONTROLLER_UNREACHABLE',
};

describe.each(table)('%s', (file, words) => {
  it.each(Object.keys(damages))('%s: is named, with what mends it', async (damage) => {
    const { at, code, error, report } = await after(file, damage, words);
    // What the file held is not needed, or is made anew; or it holds something else that is whole.
    if (code === 0 || error?.code === whole[`${basename(file)} ${damage}`]) return;
    expect(error?.code, report).toBeDefined();
    expect(error?.code, report).not.toMatch(/^CLI_|^INTERNAL/);
    expect(`${error?.message}`, report).toContain(at);
    expect(error?.hint, report).toMatch(/.{10,}/);
  });
});
