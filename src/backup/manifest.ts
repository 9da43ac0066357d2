import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { parseFile, readOptional, writeJson } from '../node/files.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import { sha256, text } from '../protocol/documents/base.ts';
import type { HomeRole } from './homes.ts';
import { backupLimits } from './limits.ts';

const name = 'manifest.json';

const pathSchema = text(1000).refine(
  (path) => !isAbsolute(path) && path.split('/').every((part) => !['', '.', '..'].includes(part)),
);
const manifestSchema = z.strictObject({
  /** Grows when a version before could no longer restore it. */
  v: z.literal(1),
  role: z.enum(['controller', 'idp', 'store', 'watch']),
  version: text(100),
  /** Milliseconds since the epoch. */
  made: z.int().min(0),
  /** Whether keys, and the bytes of artifacts and images, were asked for. */
  keys: z.boolean(),
  artifacts: z.boolean(),
  files: z
    .array(z.strictObject({ path: pathSchema, bytes: z.int().min(0), sha256 }))
    .max(backupLimits.filesMax),
});

/** List of the files of a backup. It is written last: a folder without one is none. */
export type Manifest = z.infer<typeof manifestSchema>;

export const writeManifest = (dir: string, manifest: Omit<Manifest, 'v'>): Promise<void> =>
  writeJson(join(dir, name), { v: 1, ...manifest });

/** Undefined where the folder holds none. @throws {QuorateError} `HOME_NEWER`, `HOME_DAMAGED`, `HOME_UNREADABLE` */
export async function findManifest(dir: string): Promise<Manifest | undefined> {
  const file = join(dir, name);
  const written = await readOptional(file);
  const hint = 'Take another backup: what was in this one is not known.';
  return written === undefined ? undefined : parseFile(file, written, manifestSchema, hint);
}

/** Of a backup of this role. @throws {QuorateError} `BACKUP_FOLDER_REFUSED`, those of `findManifest` */
export async function readManifest(dir: string, role: HomeRole): Promise<Manifest> {
  const manifest = await findManifest(dir);
  if (manifest === undefined)
    throw new QuorateError('BACKUP_FOLDER_REFUSED', `${dir} holds no backup: there is no ${name} in it`, {
      hint: `Name the folder that "quorate ${role} backup" made.`,
    });
  if (manifest.role !== role)
    throw new QuorateError(
      'BACKUP_FOLDER_REFUSED',
      `${dir} is a backup made by "quorate ${manifest.role} backup"`,
      { hint: `quorate ${manifest.role} restore, or check.` },
    );
  return manifest;
}
