import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { hasCode, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { checkFileVersion } from '../../protocol/base/newer.ts';
import { shellWord } from '../../protocol/base/shell-word.ts';
import { oidcLimits } from './limits.ts';
import { type ProviderSettings, parseSignInSettings, type SignInSettings } from './settings.ts';

const endedSchema = z
  .array(z.strictObject({ person: z.string().min(1).max(oidcLimits.personCharsMax), at: z.number() }))
  .max(oidcLimits.endedMax);
/** `crc32`: of the list as JSON. Before there were checksums the file was the list alone. */
const endedFileSchema = z.strictObject({ ended: endedSchema, crc32: z.number() });
const sumOf = (ended: readonly Ended[]): number => crc32(JSON.stringify(ended));
/** Sessions of this person that began at this time (ms since the epoch) or earlier are over. */
export type Ended = z.infer<typeof endedSchema>[number];

const unreadable = (path: string, why: string, cause?: unknown): QuorateError =>
  new QuorateError('SIGN_IN_FILE_UNREADABLE', `cannot read ${path}: ${why}`, {
    hint: 'It must be a file that you may read.',
    cause,
  });

/** Text of a file and what tells that it changed; undefined where there is none. @throws SIGN_IN_FILE_UNREADABLE */
async function readStamped(
  path: string,
  bytesMax: number = oidcLimits.fileBytesMax,
): Promise<{ text: string; stamp: string; mode: number } | undefined> {
  try {
    const stats = await stat(path);
    const { mtimeMs, ctimeMs, size, ino, mode } = stats;
    if (!stats.isFile()) throw unreadable(path, 'it is not a file');
    // Its size says nothing of what grows, or is in /proc.
    const bytes = await buffer(createReadStream(path, { end: bytesMax }));
    if (bytes.length > bytesMax) throw unreadable(path, `it has over ${bytesMax} bytes`);
    return { text: bytes.toString(), stamp: `${mtimeMs} ${ctimeMs} ${size} ${ino}`, mode };
  } catch (cause) {
    if (cause instanceof QuorateError) throw cause;
    if (hasCode(cause, 'ENOENT')) return undefined;
    throw unreadable(path, messageOf(cause), cause);
  }
}

const readsMax = 5;

/** `readStamped` of a file that is the same after the check. @throws SIGN_IN_FILE_UNREADABLE, and as `checkOwn` */
async function readChecked(path: string, checkOwn: CheckOwn): ReturnType<typeof readStamped> {
  for (let n = 0; n < readsMax; n++) {
    const found = await readStamped(path);
    await checkOwn(path);
    if ((await readStamped(path))?.stamp === found?.stamp) return found;
  }
  throw unreadable(path, 'it changes while it is read');
}

/** The client secret, from a file that only its owner can read; undefined for a public client. @throws SIGN_IN_FILE_UNREADABLE, and as `checkOwn` */
export async function readClientSecret(
  { clientSecretFile }: Pick<ProviderSettings, 'clientSecretFile'>,
  settingsPath: string,
  checkOwn: CheckOwn,
): Promise<string | undefined> {
  if (clientSecretFile === undefined) return undefined;
  const path = resolve(dirname(settingsPath), clientSecretFile);
  const found = await readChecked(path, checkOwn);
  if (found === undefined)
    throw unreadable(path, 'there is none; sign-in.toml names it as client-secret-file');
  if ((found.mode & 0o077) !== 0)
    throw new QuorateError('SIGN_IN_FILE_UNREADABLE', `${path} can be read by other users`, {
      hint: `chmod 600 ${shellWord(path)}, and have the provider make a new secret if others use this host.`,
    });
  const secret = found.text.trim();
  if (secret === '') throw unreadable(path, 'it is empty');
  return secret;
}

export const endedPathOf = (settingsPath: string): string => `${settingsPath}.ended.json`;

const readEnded = (path: string) => readStamped(path, oidcLimits.endedBytesMax);

/** A file that no other command has open: one that is there is waited for. @throws SIGN_IN_FILE_UNREADABLE */
async function openAlone(path: string): Promise<FileHandle> {
  for (let looks = 1; ; looks++)
    try {
      return await open(path, 'wx', 0o600);
    } catch (cause) {
      if (!hasCode(cause, 'EEXIST')) throw cause;
      if (looks >= oidcLimits.endedLooksMax)
        throw new QuorateError('SIGN_IN_FILE_UNREADABLE', `${path} is there: another command writes`, {
          hint: 'Where none does, one was interrupted: remove that file, and try again.',
          cause,
        });
      await sleep(oidcLimits.endedLookMs);
    }
}

function parseEnded(text: string, path: string): Ended[] {
  try {
    const value: unknown = JSON.parse(text);
    checkFileVersion(path, value);
    if (Array.isArray(value)) return endedSchema.parse(value);
    const { ended, crc32: sum } = endedFileSchema.parse(value);
    if (sum !== sumOf(ended)) throw new Error('it is not as it was written: its checksum is another');
    return ended;
  } catch (cause) {
    if (cause instanceof QuorateError) throw cause;
    throw new QuorateError('SIGN_IN_FILE_INVALID', `${path} is not a list of ended sessions`, {
      hint: 'Remove it: then only sign-in.toml says who is out.',
      cause,
    });
  }
}

/**
 * Ends all sessions that a person has now, in every process that reads this sign-in.toml, within a second. They may sign in
 * again: who may not is listed under `revoked` in sign-in.toml.
 * @throws SIGN_IN_FILE_UNREADABLE, SIGN_IN_FILE_INVALID, HOME_NEWER
 */
export async function endSessionsOf(person: string, settingsPath: string, now: number): Promise<void> {
  const path = endedPathOf(settingsPath);
  const failed = (cause: unknown) =>
    cause instanceof QuorateError
      ? cause
      : new QuorateError('SIGN_IN_FILE_UNREADABLE', `cannot write ${path}: ${messageOf(cause)}`, {
          hint: 'Its folder must be writable for you.',
          cause,
        });
  // One name for all commands: they change the list one after the other, or one would lose what another ended.
  const draft = `${path}.00000000-0000-0000-0000-000000000000.new`;
  const handle = await openAlone(draft).catch((cause: unknown) => Promise.reject(failed(cause)));
  try {
    const found = await readEnded(path);
    const before = found === undefined ? [] : parseEnded(found.text, path);
    const kept = before.filter((one) => now - one.at <= oidcLimits.sessionMsMax && one.person !== person);
    const ended = endedSchema.parse([...kept.slice(1 - oidcLimits.endedMax), { person, at: now }]);
    await handle.writeFile(`${JSON.stringify({ ended, crc32: sumOf(ended) })}\n`);
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true });
    throw failed(cause);
  } finally {
    await handle.close();
  }
}

/** Rejects where a file came with a repository. */
export type CheckOwn = (path: string) => Promise<void>;

/** sign-in.toml and the ended sessions, looked at five times a second. A wrong file leaves what was in force; `onError` is told once. */
export class SignInFile {
  readonly path: string;
  #settings: SignInSettings;
  #ended: ReadonlyMap<string, number> = new Map();
  #stamps = new Map<string, string>();
  /** Files that are none of one's own, and until when (steady ms) they are not checked again, unless they change. */
  #refused = new Map<string, { stamp: string; until: number }>();
  #timer: NodeJS.Timeout | undefined;
  #onError: (error: Error) => void;
  readonly #checkOwn: CheckOwn;
  #isClosed = false;

  private constructor(
    path: string,
    settings: SignInSettings,
    onError: (error: Error) => void,
    checkOwn: CheckOwn,
  ) {
    this.path = path;
    this.#settings = settings;
    this.#onError = onError;
    this.#checkOwn = checkOwn;
  }

  /** @throws SIGN_IN_FILE_UNREADABLE, SIGN_IN_FILE_INVALID, and as `checkOwn` */
  static async open(path: string, onError: (error: Error) => void, checkOwn: CheckOwn): Promise<SignInFile> {
    const found = await readChecked(path, checkOwn);
    if (found === undefined) throw unreadable(path, 'there is no such file');
    const file = new SignInFile(path, parseSignInSettings(found.text, path), onError, checkOwn);
    file.#stamps.set(path, found.stamp);
    await file.#readEnded();
    file.#next();
    return file;
  }

  get settings(): SignInSettings {
    return this.#settings;
  }

  /** Whether sessions of a person that began at `since` (ms since the epoch) were ended. */
  hasEnded(person: string, since: number): boolean {
    return since <= (this.#ended.get(person) ?? Number.NEGATIVE_INFINITY);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #next(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => void this.#check().finally(() => this.#next()), oidcLimits.fileCheckMs);
    this.#timer.unref();
  }

  async #check(): Promise<void> {
    await this.#reporting(this.path, () => this.#readSettings());
    await this.#reporting(endedPathOf(this.path), () => this.#readEnded());
  }

  /** One error of a file is told once, until the file changes. */
  async #reporting(path: string, read: () => Promise<void>): Promise<void> {
    try {
      await read();
    } catch (error) {
      const stamp = `error ${messageOf(error)}`;
      if (this.#stamps.get(`${path} error`) === stamp) return;
      this.#stamps.set(`${path} error`, stamp);
      this.#onError(error as Error);
    }
  }

  async #readSettings(): Promise<void> {
    const { path } = this;
    const found = await readStamped(path);
    if (found === undefined)
      throw unreadable(path, 'there is no such file any more; what it said stays in force');
    if (!(await this.#isNew(path, found.stamp))) return;
    this.#settings = parseSignInSettings(found.text, path);
  }

  async #readEnded(): Promise<void> {
    const path = endedPathOf(this.path);
    const found = await readEnded(path);
    if (found === undefined || !(await this.#isNew(path, found.stamp))) return;
    this.#ended = new Map(parseEnded(found.text, path).map(({ person, at }) => [person, at]));
  }

  /** A file that is refused, or is another one by the end of the check, is looked at again. @throws as `checkOwn` */
  async #isNew(path: string, stamp: string): Promise<boolean> {
    if (this.#stamps.get(path) === stamp) return false;
    const refused = this.#refused.get(path);
    if (refused?.stamp === stamp && performance.now() < refused.until) return false;
    await this.#checkOwn(path).catch((error: unknown) => {
      this.#refused.set(path, { stamp, until: performance.now() + oidcLimits.refusedCheckMs });
      throw error;
    });
    if ((await readStamped(path, oidcLimits.endedBytesMax))?.stamp !== stamp) return false;
    this.#stamps.set(path, stamp);
    this.#stamps.delete(`${path} error`);
    return true;
  }
}
