import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { type FileHandle, link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import type { z } from 'zod';
import { codeOf, messageOf, QuorateError } from '../protocol/base/errors.ts';
import { checkFileVersion, homeNewer } from '../protocol/base/newer.ts';
import { syncFolder } from '../store/disk.ts';
import { nodeLimits } from './limits.ts';

/** Creates a folder of mode 0700 unless it exists. */
export async function makePrivate(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
}

/** Writes a file atomically and durably: into a temporary file, which is synced and renamed; then its folder is synced. */
export const writeAtomic = (file: string, content: string): Promise<void> => writeAtomicAs([file], content);

/** Folders that this process has looked into for files of writes that were never finished. */
const swept = new Set<string>();

/** Removes what processes that were killed left of writes into a folder, once in a life. A write takes moments, so what is older is nobody's. */
async function sweepUnfinished(dir: string): Promise<void> {
  if (swept.has(dir)) return;
  swept.add(dir);
  const before = Date.now() - nodeLimits.unfinishedMsMin;
  for (const name of await readdir(dir).catch(() => [])) {
    if (!unfinished.test(name)) continue;
    const file = join(dir, name);
    const found = await stat(file).catch(() => undefined);
    if (found !== undefined && found.mtimeMs < before) await rm(file, { force: true }).catch(() => {});
  }
}

const unfinished = /\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.new$/;

/** Writes that have begun and not ended, each with a file of its folder. */
const writing = new Map<Promise<void>, string>();

/** Resolves when no write of this process into a folder, or into one below it, is under way. */
export async function writesEnded(dir: string): Promise<void> {
  for (;;) {
    // A queued write begins in the turn of the event loop in which the one before it ends.
    await new Promise(setImmediate);
    const left = [...writing].filter(([, file]) => file.startsWith(join(dir, '/')));
    if (left.length === 0) return;
    await Promise.allSettled(left.map(([write]) => write));
  }
}

/** As `writeAtomic`, for several names of one folder, which are hard links to one file. */
export function writeAtomicAs(files: readonly string[], content: string): Promise<void> {
  const write = replace(files, content).finally(() => writing.delete(write));
  writing.set(write, files[0] ?? '');
  return write;
}

async function replace(files: readonly string[], content: string): Promise<void> {
  const [file = ''] = files;
  // A unique name: two writers of one file must not share the temporary file.
  const beside = `${file}.${randomUUID()}.new`;
  const more = files.slice(1).map((name) => ({ name, link: `${name}.${randomUUID()}.new` }));
  await sweepUnfinished(dirname(file));
  try {
    const handle = await openIn(dirname(file), () => open(beside, 'w', 0o600));
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
    await syncFolder(dirname(file));
  } catch (cause) {
    for (const left of [beside, ...more.map(({ link: made }) => made)])
      await rm(left, { force: true }).catch(() => {});
    throw new QuorateError('HOME_UNWRITABLE', `cannot write ${file}: ${messageOf(cause)}`, {
      cause,
      hint: 'The folder must be writable by you and have free space; --home names another.',
    });
  }
}

/** Opens a file in a folder, which is made where it is not there yet. */
async function openIn(dir: string, opens: () => Promise<FileHandle>): Promise<FileHandle> {
  try {
    return await opens();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await makePrivate(dir);
    return opens();
  }
}

/** The text of a file; undefined when it does not exist. @throws HOME_UNREADABLE */
export async function readOptional(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new QuorateError('HOME_UNREADABLE', `cannot read ${file}: ${messageOf(cause)}`, {
      cause,
      hint:
        (cause as NodeJS.ErrnoException).code === 'EISDIR'
          ? 'A folder lies in its place: move it away, and put the file back from a copy.'
          : 'Mend its permissions, or run this as the user whose folder it is.',
    });
  }
}

/** Codes of what a document or a note says when its bytes are not those that were written. */
const damage =
  /^(?:DOC_(?:BAD_SIGNATURE|INVALID|NOT_\w+|TOO_\w+|WRONG_\w+)|CHECKPOINT_(?:BAD_SIGNATURE|LOG_MISMATCH|MALFORMED|UNSIGNED)|CHARTER_ISSUER_MISMATCH|LOG_UNREADABLE)$/;

/** Uses what a file holds: an error of its content names the file and what mends it. @throws HOME_DAMAGED, HOME_NEWER, and what `use` throws */
export async function inFile<T>(file: string, hint: string, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (cause) {
    if (codeOf(cause) === 'DOC_NEWER') throw homeNewer(file, messageOf(cause), cause);
    if (!damage.test(codeOf(cause))) throw cause;
    throw new QuorateError('HOME_DAMAGED', `${file} is damaged: ${messageOf(cause)}`, { hint, cause });
  }
}

/** Writes an object as JSON, with a CRC-32 of it as its last member, `crc32`. @throws HOME_UNWRITABLE */
export function writeJson(file: string, value: object, indent?: number): Promise<void> {
  const text = JSON.stringify({ ...value, crc32: crc32(JSON.stringify(value)) }, null, indent);
  return writeAtomic(file, `${text}\n`);
}

/** The value without its checksum; undefined where that is of another value. One without a checksum is older, or written by hand. */
function withoutSum(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('crc32' in value)) return value;
  const { crc32: sum, ...rest } = value;
  return sum === crc32(JSON.stringify(rest)) ? rest : undefined;
}

/** Parses JSON against a schema and its checksum, where it has one. `reads`: see `checkFileVersion`. @throws HOME_DAMAGED, HOME_NEWER */
export function parseFile<T>(file: string, text: string, schema: z.ZodType<T>, hint: string, reads = 1): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new QuorateError('HOME_DAMAGED', `${file} is not JSON`, { cause, hint });
  }
  const whole = withoutSum(value);
  if (whole === undefined)
    throw new QuorateError(
      'HOME_DAMAGED',
      `${file} is not as it was written: its member crc32 is that of another value`,
      { hint: `${hint} Whoever changed it by hand removes that member.` },
    );
  checkFileVersion(file, whole, reads);
  const result = schema.safeParse(whole);
  if (result.success) return result.data;
  const where = result.error.issues[0]?.path.map(String).join('.') || 'its root';
  // It had a checksum, which fits.
  if (whole !== value)
    throw homeNewer(file, `it is as it was written, and has at ${where} what this one does not know`);
  throw new QuorateError('HOME_DAMAGED', `${file} is not valid at ${where}`, { hint });
}

/** Content of a JSON file; undefined when it does not exist. `hint`: what mends a damaged one. @throws HOME_UNREADABLE, and as `parseFile` */
export async function readJson<T>(file: string, schema: z.ZodType<T>, hint: string): Promise<T | undefined> {
  const text = await readOptional(file);
  return text === undefined ? undefined : parseFile(file, text, schema, hint);
}

/** Syncs the file system of a path: resolves when all earlier writes to it are durable. */
export async function syncFileSystem(path: string, signal: AbortSignal): Promise<void> {
  await promisify(execFile)('sync', ['-f', path], { signal });
}
