import { randomUUID } from 'node:crypto';
import { existsSync, fstatSync, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { messageOf, QuorateError } from '../protocol/base/errors.ts';

/** Checks that a destination is new or empty. @throws {QuorateError} `CLI_FOLDER_NOT_EMPTY` */
export async function checkNewFolder(dest: string): Promise<void> {
  if (!existsSync(dest)) return;
  const isFolder = (await stat(dest)).isDirectory();
  if (isFolder && (await readdir(dest)).length === 0) return;
  const message = `${dest} is ${isFolder ? 'not empty' : 'not a folder'}`;
  throw new QuorateError('CLI_FOLDER_NOT_EMPTY', message, { hint: 'Name a new folder.' });
}

/**
 * A file that a command writes at its end. It is opened at the beginning, under another name beside it, so that a command whose result cannot be
 * kept does nothing. A link stays, and its file is replaced; a device or a pipe is refused, as its name would go to a plain file.
 */
export class NewFile {
  readonly #path: string;
  readonly #beside: string;
  readonly #handle: FileHandle;

  private constructor(path: string, beside: string, handle: FileHandle) {
    [this.#path, this.#beside, this.#handle] = [path, beside, handle];
  }

  /** @throws {QuorateError} `CLI_FILE_UNWRITABLE` */
  static async open(path: string): Promise<NewFile> {
    try {
      const file = await replaceable(path);
      const beside = `${file}.${randomUUID()}.new`;
      return new NewFile(file, beside, await open(beside, 'wx'));
    } catch (cause) {
      throw unwritable(path, cause);
    }
  }

  /** Writes the content and gives the file its name. `instead`: what is done although this fails. @throws as `open` */
  async finish(content: string | Uint8Array, instead: string): Promise<void> {
    try {
      await this.#handle.writeFile(content);
      await this.#handle.close();
      await rename(this.#beside, this.#path);
    } catch (cause) {
      throw unwritable(this.#path, cause, `${instead} `);
    }
  }

  /** Removes what was not finished, if it can: an error of this would hide why it was not. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close().catch(() => {});
    await rm(this.#beside, { force: true }).catch(() => {});
  }
}

/** Returns the plain file that a path names, through links, or the path itself where nothing is there. */
async function replaceable(path: string): Promise<string> {
  if ((await lstat(path).catch(() => undefined)) === undefined) return path;
  const found = await stat(path);
  if (found.isDirectory()) throw new Error('it is a folder');
  if (!found.isFile()) throw new Error('it is a device, a socket or a pipe');
  // As /dev/stdout too: what others write to it after this command would be lost with the file that was there.
  if ([1, 2].some((fd) => isOpenAs(fd, found))) throw new Error('it is the standard output of this command');
  return await realpath(path);
}

function isOpenAs(fd: number, { dev, ino }: Stats): boolean {
  try {
    const open = fstatSync(fd);
    return open.dev === dev && open.ino === ino;
  } catch {
    return false; // It is closed.
  }
}

function unwritable(path: string, cause: unknown, instead = ''): QuorateError {
  return new QuorateError('CLI_FILE_UNWRITABLE', `cannot write ${path}: ${messageOf(cause)}`, {
    hint: `${instead}Name a file in a folder that you may write to, on a disk with room.`,
    cause,
  });
}
