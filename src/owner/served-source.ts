import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isInUse } from '../journal/copy.ts';
import { isAlive } from '../node/alive.ts';
import { readJson, writeJson } from '../node/files.ts';
import { journalFile } from './controller-socket.ts';
import { checkOwnPlayed, playedOf } from './played.ts';

const schema = z.strictObject({ url: z.string().max(300), pid: z.int().min(1) });

/** Where `quorate up` serves the repository of a project, and its process. */
type ServedSource = z.infer<typeof schema>;

const fileOf = (root: string): string => join(playedOf(root), 'up.json');

/** `root`: of the repository. Undefined where no `quorate up` runs; one that was killed leaves its file. @throws as of `checkOwnPlayed` */
export async function servedSource(root: string): Promise<ServedSource | undefined> {
  if (!existsSync(fileOf(root))) return undefined;
  await checkOwnPlayed(root);
  const found = await readJson(fileOf(root), schema, 'Remove it.');
  const isServed = found !== undefined && isAlive(found.pid);
  return isServed && isInUse(journalFile(join(playedOf(root), '.quorate'))) ? found : undefined;
}

export const tellServed = (root: string, source: ServedSource): Promise<void> =>
  writeJson(fileOf(root), source);

export const endServed = (root: string): Promise<void> => rm(fileOf(root), { force: true });
