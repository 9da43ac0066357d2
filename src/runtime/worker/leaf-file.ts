import { open, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf, QuorateError } from '../../core/errors.ts';
import type { LeafFile } from '../../core/sessions/worker/ports.ts';
import { syncFolder } from '../../store/disk.ts';
import { readOptional } from '../node/files.ts';

/** Leaves of the log in a file of mode 0600, one per line. */
export function openLeafFile(file: string): LeafFile {
  let isNamed = false;
  return {
    async load() {
      const text = (await readOptional(file)) ?? '';
      const whole = text.slice(0, text.lastIndexOf('\n') + 1);
      // A crash within a line: the rest of that leaf is asked for again.
      if (whole.length < text.length) await truncate(file, Buffer.byteLength(whole));
      return whole.split('\n').slice(0, -1);
    },
    async append(leaves) {
      try {
        const handle = await open(file, 'a', 0o600);
        try {
          await handle.appendFile(leaves.map((leaf) => `${leaf}\n`).join(''));
          await handle.datasync();
        } finally {
          await handle.close();
        }
        // The file may be new, and a signature rests on it.
        if (!isNamed) await syncFolder(dirname(file));
        isNamed = true;
      } catch (cause) {
        throw new QuorateError('HOME_UNWRITABLE', `cannot write ${file}: ${messageOf(cause)}`, {
          cause,
          hint: 'The folder must be writable by you and have room.',
        });
      }
    },
  };
}
