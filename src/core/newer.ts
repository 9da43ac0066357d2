import { QuorateError } from './errors.ts';

/**
 * The error of a kept file that a newer version wrote. `says`: the format, version or event that it has, and what this version reads. It is for
 * bytes that are as they were written, as a checksum or a number of a format says; else the file is damaged.
 */
export function homeNewer(file: string, says: string, cause?: unknown): QuorateError {
  return new QuorateError('HOME_NEWER', `${file} was written by a newer version of Quorate: ${says}`, {
    hint: 'Start the version that wrote it. To go back to this one, restore a backup of before the update.',
    ...(cause !== undefined && { cause }),
  });
}

/** The same of an event, counted from 1, of a kind that this version does not have. */
export function newerEvent(file: string, n: number, event: unknown, cause: unknown): QuorateError {
  const { kind } = event as { kind?: unknown };
  return homeNewer(
    file,
    `this version has no event "${String(kind).slice(0, 40)}", which its event ${n} is`,
    cause,
  );
}
