import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { z } from 'zod';
import { messageOf, QuorateError } from '../../core/errors.ts';

/** Makes a folder that nobody but its owner may look into, where there is none. */
export async function makePrivate(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
}

/** Writes a file whole or not at all: beside it, synced, then renamed. */
export function writeAtomic(file: string, content: string, mode = 0o600): Promise<void> {
  return writeAtomicAs([file], content, mode);
}

/** The same content under several names of one folder; on the disk it is there once. */
export async function writeAtomicAs(files: readonly string[], content: string, mode = 0o600): Promise<void> {
  const [file = ''] = files;
  // Two writers of one file must not share what they rename.
  const beside = `${file}.${randomUUID()}.new`;
  const more = files.slice(1).map((name) => ({ name, link: `${name}.${randomUUID()}.new` }));
  try {
    await makePrivate(dirname(file));
    const handle = await open(beside, 'w', mode);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    for (const { name, link: made } of more) {
      await link(beside, made);
      await rename(made, name);
    }
    await rename(beside, file);
  } catch (cause) {
    for (const left of [beside, ...more.map(({ link: made }) => made)])
      await rm(left, { force: true }).catch(() => {});
    throw new QuorateError('HOME_UNWRITABLE', `cannot write ${file}: ${messageOf(cause)}`, {
      cause,
      hint: 'The folder must be writable by you and have room; --home names another.',
    });
  }
}

/** The text of a file, or undefined where there is none. */
export async function readOptional(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new QuorateError('HOME_UNREADABLE', `cannot read ${file}: ${messageOf(cause)}`, { cause });
  }
}

/** What a file of ours says, in the shape it must have. Throws `HOME_DAMAGED`. */
export function parseFile<T>(file: string, text: string, schema: z.ZodType<T>, hint: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new QuorateError('HOME_DAMAGED', `${file} is not JSON`, { cause, hint });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const where = result.error.issues[0]?.path.map(String).join('.') || 'its root';
  throw new QuorateError('HOME_DAMAGED', `${file} is not valid at ${where}`, { hint });
}

/** Ends when all that was written to the file system a path is on survives a loss of power. */
export async function syncFileSystem(path: string, signal: AbortSignal): Promise<void> {
  await promisify(execFile)('sync', ['-f', path], { signal });
}
