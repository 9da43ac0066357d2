import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { QuorateError } from '../protocol/base/errors.ts';

/** Checks that a destination is new or empty. Throws `CLI_FOLDER_NOT_EMPTY`. */
export async function checkNewFolder(dest: string): Promise<void> {
  if (!existsSync(dest)) return;
  const isFolder = (await stat(dest)).isDirectory();
  if (isFolder && (await readdir(dest)).length === 0) return;
  const message = `${dest} is ${isFolder ? 'not empty' : 'not a folder'}`;
  throw new QuorateError('CLI_FOLDER_NOT_EMPTY', message, { hint: 'Name a new folder.' });
}
