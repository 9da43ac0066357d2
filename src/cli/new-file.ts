import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { messageOf, QuorateError } from '../core/errors.ts';

/**
 * A file that a command writes at its end. It is opened at the beginning, under another name beside it, so that a command
 * whose result could not be kept does nothing; it gets its name when all of it is written.
 */
export class NewFile {
  readonly #path: string;
  readonly #beside: string;
  readonly #handle: FileHandle;

  private constructor(path: string, beside: string, handle: FileHandle) {
    [this.#path, this.#beside, this.#handle] = [path, beside, handle];
  }

  /** Errors: `CLI_FILE_UNWRITABLE`. */
  static async open(path: string): Promise<NewFile> {
    const beside = `${path}.${randomUUID()}.new`;
    if ((await stat(path).catch(() => undefined))?.isDirectory())
      throw unwritable(path, new Error('it is a folder'));
    const handle = await open(beside, 'wx').catch((cause) => {
      throw unwritable(path, cause);
    });
    return new NewFile(path, beside, handle);
  }

  /** Writes the content and gives the file its name. `instead`: what is done although this fails. Errors: `CLI_FILE_UNWRITABLE`. */
  async finish(content: string | Uint8Array, instead: string): Promise<void> {
    try {
      await this.#handle.writeFile(content);
      await this.#handle.close();
      await rename(this.#beside, this.#path);
    } catch (cause) {
      throw unwritable(this.#path, cause, `${instead} `);
    }
  }

  /** Removes what was not finished. */
  async drop(): Promise<void> {
    await this.#handle.close().catch(() => {});
    await rm(this.#beside, { force: true });
  }
}

function unwritable(path: string, cause: unknown, instead = ''): QuorateError {
  return new QuorateError('CLI_FILE_UNWRITABLE', `cannot write ${path}: ${messageOf(cause)}`, {
    hint: `${instead}Name a file in a folder that you may write to, on a disk with room.`,
    cause,
  });
}
