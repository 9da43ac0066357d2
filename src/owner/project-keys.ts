import { existsSync } from 'node:fs';
import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { createKey, generateSeed, keyFromSeed, loadKey, type NodeKey } from '../identity/keys.ts';
import { makePrivate } from '../node/files.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import { type Charter, runsProject } from '../protocol/documents/index.ts';
import { syncFolder } from '../store/disk.ts';

export function checkApart(charter: Charter, key: string): void {
  if (!runsProject(charter, key)) return;
  throw new QuorateError(
    'TRUSTED_KEY_NOT_APART',
    `${key} is the key of this project's controller, identity provider or log, which a trusted worker checks`,
    { hint: 'Run "quorate key" on the machine that shall be the trusted worker, and name what it prints.' },
  );
}

/** In a project's folder. A key of before, and one that is not named yet, lies in `keys/` under its own name. */
export const keyFiles = { root: 'root.key', controller: 'controller.key', idp: 'idp.key' };
const others = 'keys';

/**
 * The keys that the charter names, wherever in the folder they lie: a change of the charter is one write, and file names follow it. The first
 * identity provider at hand signs. @throws {QuorateError} `CONTROLLER_KEY_MISSING` where another key lies in the place of one
 */
export async function openKeys(dir: string, charter: Charter) {
  const kept = await keptKeys(dir);
  const controller = await named(dir, keyFiles.controller, charter.controllers, kept);
  const idp = await named(dir, keyFiles.idp, charter.idps, kept);
  const known = new Map(kept.map((key) => [key.id, key]));
  for (const there of [controller, idp]) if (there !== undefined) known.set(there.file.id, there.file);
  for (const there of [controller, idp]) if (there !== undefined) known.delete(there.key.id);
  // A key that is not here is undefined: its process runs elsewhere. `retired`: all other keys, such as the controller's earlier ones.
  return { controller: controller?.key, idp: idp?.key, retired: [...known.values()] };
}

/** Makes a key for a charter that is still to be signed. */
export function addKey(dir: string): Promise<NodeKey> {
  const seed = generateSeed();
  return createKey(keptFile(dir, keyFromSeed(seed).id), seed);
}

/** Gives the files the names that go with the charter. Whatever was interrupted here, `openKeys` finds the same keys. */
export async function nameKeys(dir: string, charter: Charter): Promise<void> {
  const kept = await keptKeys(dir);
  for (const [file, ids] of [
    [keyFiles.controller, charter.controllers],
    [keyFiles.idp, charter.idps],
  ] as const) {
    const found = await named(dir, file, ids, kept);
    if (found === undefined) continue;
    const { key, file: there } = found;
    const missing = !existsSync(join(dir, file));
    if (key.id === there.id && !missing) continue;
    await makePrivate(join(dir, others));
    if (!missing) await rename(join(dir, file), keptFile(dir, there.id));
    await syncFolder(join(dir, others));
    await rename(keptFile(dir, key.id), join(dir, file));
    await syncFolder(dir);
  }
}

const keptFile = (dir: string, id: string): string => join(dir, others, `${id}.key`);

async function keptKeys(dir: string): Promise<NodeKey[]> {
  const folder = join(dir, others);
  if (!existsSync(folder)) return [];
  const names = (await readdir(folder)).filter((name) => name.endsWith('.key')).sort();
  return Promise.all(names.map((name) => loadKey(join(folder, name))));
}

/** The first of these keys that is at hand, and the one in the file; undefined where there is neither. */
async function named(
  dir: string,
  file: string,
  ids: readonly string[],
  kept: readonly NodeKey[],
): Promise<{ key: NodeKey; file: NodeKey } | undefined> {
  const path = join(dir, file);
  const found = (all: readonly NodeKey[]) =>
    ids.flatMap((id) => all.find((key) => key.id === id) ?? []).at(0);
  // Where the renaming was interrupted, the file is not there.
  if (!existsSync(path)) {
    const alone = found(kept);
    return alone === undefined ? undefined : { key: alone, file: alone };
  }
  const there = await loadKey(path);
  const key = found([there, ...kept]);
  if (key !== undefined) return { key, file: there };
  throw new QuorateError(
    'CONTROLLER_KEY_MISSING',
    `the charter names ${ids.join(', ')}; ${path} holds ${there.id}, and ${join(dir, others)} none of them`,
    { hint: `Put the key that the charter names back, as ${keptFile(dir, ids[0] ?? '')}.` },
  );
}
