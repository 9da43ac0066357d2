import { QuorateError } from './errors.ts';

/** The error of an intact file that a newer version wrote. `says`: the format, version or event that it has. */
export function homeNewer(file: string, says: string, cause?: unknown): QuorateError {
  return new QuorateError('HOME_NEWER', `${file} was written by a newer version of Quorate: ${says}`, {
    hint: 'Start the version that wrote it. To go back to this one, restore a backup of before the update.',
    ...(cause !== undefined && { cause }),
  });
}

/** The same of an event, counted from 1, of a kind that this version does not have. */
export function newerEvent(file: string, n: number, event: unknown, cause: unknown): QuorateError {
  const { kind } = Object(event) as { kind?: unknown };
  const says =
    typeof kind === 'string'
      ? `this version has no event "${kind.slice(0, 40)}", which its event ${n} is`
      : `its event ${n} names no kind`;
  return homeNewer(file, says, cause);
}

/** `reads`: the version of a JSON file that is read; a file states its own in `v`, and is of version 1 without. Throws `HOME_NEWER`. */
export function checkFileVersion(file: string, value: unknown, reads = 1): void {
  const { v } = Object(value) as { v?: unknown };
  if (typeof v === 'number' && v > reads)
    throw homeNewer(file, `it is of version ${v}, and this one reads version ${reads}`);
}
