import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogFiles } from '../sessions/ports.ts';
import { controllerNodeLimits } from './limits.ts';

export interface StoredLogs extends LogFiles {
  /** The whole log of a lease, UTF-8; undefined where there is none, or a longer one. */
  bytes(lease: string, bytesMax: number): Promise<Uint8Array | undefined>;
}

/** Log files of builds in a folder that only this user can read: `<lease>.log`. */
export function openLogFiles(dir: string): StoredLogs {
  const fileOf = (lease: string): string => join(dir, `${lease}.log`);
  let made: Promise<unknown> | undefined;
  const makeFolder = () => {
    made ??= mkdir(dir, { recursive: true, mode: 0o700 }).catch((error) => {
      made = undefined;
      throw error;
    });
    return made;
  };
  return {
    async create(lease) {
      await makeFolder();
      const output = createWriteStream(fileOf(lease), { mode: 0o600 });
      // A full disk costs the stored log; followers still get theirs.
      output.on('error', () => output.destroy());
      return {
        write: (text) => void output.write(text),
        end: () => new Promise((resolve) => output.end(() => resolve())),
      };
    },
    async *read(lease) {
      // In pieces: many may ask at once and read nothing.
      const { logReadBytes: highWaterMark } = controllerNodeLimits;
      const stream = createReadStream(fileOf(lease), { encoding: 'utf8', highWaterMark });
      try {
        for await (const text of stream) yield text;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    },
    async bytes(lease, bytesMax) {
      const found = await stat(fileOf(lease)).catch(() => undefined);
      if (found === undefined || found.size > bytesMax) return undefined;
      return readFile(fileOf(lease)).catch(() => undefined);
    },
  };
}
