import { QuorateError } from '../protocol/base/errors.ts';

/** An untrusted name for a message: quoted, at most 200 characters, without control and bidirectional characters. */
export function printable(text: string): string {
  const quoted = JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
  return quoted.replace(/[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '?');
}

export const damaged = (what: string, cause?: unknown): QuorateError =>
  new QuorateError('IMAGE_INVALID', `the image is damaged: ${what}`, {
    hint: 'It was truncated or changed in transfer; get it again from its source.',
    cause,
  });

export const notAnImage = (what: string): QuorateError =>
  new QuorateError('IMAGE_INVALID', what, {
    hint: 'Give an OCI image layout (a folder, or a tar of one) or the output of "docker save", not compressed as a whole.',
  });

export const tooLarge = (what: string): QuorateError =>
  new QuorateError('IMAGE_TOO_LARGE', what, { hint: 'Make the image smaller: a build needs few packages.' });
