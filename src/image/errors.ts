import { QuorateError } from '../protocol/base/errors.ts';

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
