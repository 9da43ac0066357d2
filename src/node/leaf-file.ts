import { createHash } from 'node:crypto';
import { open, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf, QuorateError } from '../protocol/base/errors.ts';
import { homeNewer } from '../protocol/base/newer.ts';
import { text } from '../protocol/documents/base.ts';
import type { LeafFile } from '../protocol/sessions/ports.ts';
import { syncFolder } from '../store/disk.ts';
import { readOptional } from './files.ts';

/** Begins a line with the sha256 of all bytes before it, in hex; no leaf holds a control character. */
const sumMark = '\t';
/** Says in the first line of which format a file is that comes after this one, the second. */
const formatLine = /^\tformat (\d{1,9})$/;
const damaged = (file: string) =>
  new QuorateError('HOME_DAMAGED', `${file} is damaged: its leaves are not those that were kept`, {
    hint: 'Put it back from a copy, or remove it: the log is read again.',
  });

/** As the wire takes it, and whole as UTF-8: that is all that is known of one without a sum. */
const isLeaf = (line: string): boolean => leafText.safeParse(line).success && !line.includes('\ufffd');
const leafText = text(400);

/** Leaves of the log in a file of mode 0600, one per line, and after each addition a line with the sum of all before. */
export function openLeafFile(file: string): LeafFile {
  let isNamed = false;
  /** Of what is in the file; known once it was read. */
  let sum = createHash('sha256');
  return {
    async load() {
      const read = (await readOptional(file)) ?? '';
      const whole = read.slice(0, read.lastIndexOf('\n') + 1);
      const leaves: string[] = [];
      sum = createHash('sha256');
      for (const line of whole.split('\n').slice(0, -1)) {
        const [, format] = formatLine.exec(line) ?? [];
        if (format !== undefined)
          throw homeNewer(file, `it is of format ${format}, and this version reads format 2`);
        const isSum = line.startsWith(sumMark);
        if (!isSum) leaves.push(line);
        if (isSum ? line.slice(sumMark.length) !== sum.copy().digest('hex') : !isLeaf(line))
          throw damaged(file);
        sum.update(`${line}\n`);
      }
      // A crash within a line: the rest of that leaf is asked for again.
      if (whole.length < read.length) await truncate(file, Buffer.byteLength(whole));
      return leaves;
    },
    async append(leaves) {
      try {
        const handle = await open(file, 'a', 0o600);
        try {
          const added = leaves.map((leaf) => `${leaf}\n`).join('');
          sum.update(added);
          const last = `${sumMark}${sum.copy().digest('hex')}\n`;
          sum.update(last);
          await handle.appendFile(added + last);
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
