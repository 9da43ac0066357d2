import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isInUse } from '../journal/copy.ts';
import { readJson, writeJson } from '../node/files.ts';
import { hasCode } from '../protocol/base/errors.ts';
import { journalFile } from './controller-socket.ts';

const schema = z.strictObject({ url: z.string().max(300), pid: z.int().min(1) });

/** Where `quorate up` serves the repository of a project, and its process. */
type ServedSource = z.infer<typeof schema>;

const fileOf = (dir: string): string => join(dir, 'up.json');

/** `dir`: the folder of the project. Undefined where no `quorate up` runs; one that was killed leaves its file. */
export async function servedSource(dir: string): Promise<ServedSource | undefined> {
  const found = await readJson(fileOf(dir), schema, 'Remove it.');
  return found !== undefined && isAlive(found.pid) && isInUse(journalFile(dir)) ? found : undefined;
}

export const tellServed = (dir: string, source: ServedSource): Promise<void> =>
  writeJson(fileOf(dir), source);

export const endServed = (dir: string): Promise<void> => rm(fileOf(dir), { force: true });

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, 'EPERM');
  }
}
