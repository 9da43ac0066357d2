import { closeSync, mkdirSync, openSync, read, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import type { Spool } from '../sessions/lost-bundles.ts';

const readAt = promisify(read);

/** Keeps texts in an unlinked file, whose blocks are free once the process ends. `bytesMax`: of all texts, replaced ones too. */
export function openSpool(file: string, bytesMax: number): Spool {
  let open: number | undefined;
  let end = 0;
  const places = new Map<string, { at: number; bytes: number; sum: number }>();
  return {
    write(name, text) {
      const bytes = Buffer.from(text);
      if (end + bytes.length > bytesMax) return false;
      try {
        if (open === undefined) {
          mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
          const made = openSync(file, 'w+', 0o600);
          try {
            unlinkSync(file);
          } catch (error) {
            closeSync(made);
            throw error;
          }
          open = made;
        }
        for (let done = 0; done < bytes.length; )
          done += writeSync(open, bytes, done, bytes.length - done, end + done);
      } catch {
        // A full disk, or one that cannot be written.
        return false;
      }
      places.set(name, { at: end, bytes: bytes.length, sum: crc32(bytes) });
      end += bytes.length;
      return true;
    },
    async read(name) {
      const place = places.get(name);
      if (place === undefined || open === undefined) return undefined;
      const bytes = Buffer.alloc(place.bytes);
      // It may end meanwhile: then the bundle is there.
      const { bytesRead } = await readAt(open, bytes, 0, place.bytes, place.at).catch(() => ({
        bytesRead: 0,
      }));
      return bytesRead === place.bytes && crc32(bytes) === place.sum ? bytes.toString() : undefined;
    },
    end() {
      places.clear();
      if (open !== undefined) closeSync(open);
      open = undefined;
      end = 0;
    },
  };
}
