import { QuorateError } from '../protocol/base/errors.ts';
import type { Charter } from '../protocol/documents/index.ts';
import { currentCharter, type ProjectFolder, signNext } from './project-folder.ts';
import { addKey, checkApart, nameKeys } from './project-keys.ts';

/** Gives the controller, whose key signs the log too, a new one in the next charter. @throws {QuorateError} `CHARTER_NEEDS_ROOT`, `KEY_FILE_…` */
export async function rotateController(folder: ProjectFolder) {
  return rotate(folder, folder.controller.id, (before, key, old) => ({
    controllers: before.controllers.map((id) => (id === old ? key : id)),
    log: before.log === old ? key : before.log,
  }));
}

/** Gives the identity provider a new key. What earlier ones signed stays good until `dropOldIdps`; with `atOnce` no longer. @throws also IDPS_FULL */
export async function rotateIdp(folder: ProjectFolder, { atOnce }: { atOnce: boolean }) {
  return rotate(folder, folder.idp.id, ({ idps }, key) => {
    if (!atOnce && idps.length >= idpsMax)
      throw new QuorateError(
        'IDPS_FULL',
        `the charter names ${idps.length} identity providers, and no more than ${idpsMax}`,
        { hint: 'Drop those of before: quorate rotate idp --finish' },
      );
    return { idps: atOnce ? [key] : [key, ...idps] };
  });
}

const idpsMax = 8;

/** Leaves the identity provider's present key alone in the charter. @throws {QuorateError} `CHARTER_NEEDS_ROOT`, `DOC_…`, `HOME_UNWRITABLE` */
export async function dropOldIdps(folder: ProjectFolder): Promise<{ before: Charter; now: Charter }> {
  const before = await currentCharter(folder);
  const idps = [folder.idp.id];
  if (before.idps.length === 1) return { before, now: before };
  return { before, now: await signNext(folder, before, { ...before, idps }) };
}

/** Names trusted workers, and leaves others out. @throws {QuorateError} `TRUSTED_KEY_…`, `CHARTER_NEEDS_ROOT` */
export async function rotateTrusted(
  folder: ProjectFolder,
  { add, remove }: { add: readonly string[]; remove: readonly string[] },
): Promise<{ before: Charter; now: Charter }> {
  const before = await currentCharter(folder);
  for (const key of add) checkApart(before, key);
  const unknown = remove.find((key) => !before.trusted.includes(key));
  if (unknown !== undefined)
    throw new QuorateError('TRUSTED_KEY_NOT_NAMED', `the charter names no trusted worker ${unknown}`, {
      hint: `It names: ${before.trusted.join(', ') || 'none'}.`,
    });
  const trusted = [...new Set([...before.trusted, ...add])].filter((key) => !remove.includes(key));
  if (String(trusted) === String(before.trusted)) return { before, now: before };
  return { before, now: await signNext(folder, before, { ...before, trusted }) };
}

/** `key`: signs from now on, and `old` did before. */
async function rotate(
  folder: ProjectFolder,
  old: string,
  changes: (before: Charter, key: string, old: string) => Partial<Charter>,
) {
  const before = await currentCharter(folder);
  // The new key is on disk before the charter names it.
  const key = folder.root === undefined ? '' : (await addKey(folder.dir)).id;
  const now = await signNext(folder, before, { ...before, ...changes(before, key, old) });
  await nameKeys(folder.dir, now);
  return { before, now, key, old };
}
