import { QuorateError } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { printable } from './errors.ts';

const refused = (name: string, why: string): QuorateError =>
  new QuorateError('IMAGE_INVALID', `the entry ${printable(name)} of the image ${why}`, {
    hint: 'No image tool writes such an entry; do not use this image.',
  });

/** Splits an entry's name into its parts; empty for the root. @throws IMAGE_INVALID */
export function splitName(name: string): string[] {
  if (name.startsWith('/')) throw refused(name, 'has an absolute path');
  if (name.includes('\ufffd') || !name.isWellFormed()) throw refused(name, 'is not UTF-8');
  if (name.includes('\0') || Buffer.byteLength(name) > limits.pathBytesMax)
    throw refused(name, 'has a path that is too long or contains NUL');
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw refused(name, 'has ".." in its path');
  if (parts.length > limits.pathDepthMax) throw refused(name, `is over ${limits.pathDepthMax} folders deep`);
  if (parts.some((part) => Buffer.byteLength(part) > limits.nameBytesMax))
    throw refused(name, `has a name of over ${limits.nameBytesMax} bytes`);
  return parts;
}

/** Refuses a target that is empty, longer than `limits.pathBytesMax`, or not UTF-8 without NUL; it may lead anywhere. @throws IMAGE_INVALID */
export function checkLink(name: string, target: string): string {
  const odd = target === '' || target.includes('\0') || target.includes('\ufffd') || !target.isWellFormed();
  if (odd || Buffer.byteLength(target) > limits.pathBytesMax)
    throw refused(name, 'is a link with an empty, too long or invalid target');
  return target;
}
