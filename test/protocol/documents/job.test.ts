import { describe, expect, it } from 'vitest';
import { fromUtf8, toUtf8 } from '../../../src/protocol/base/text.ts';
import { decodeJob, encodeCanonical, encodeJob } from '../../../src/protocol/documents/index.ts';
import { makeJob } from '../../support/documents.ts';

const job = makeJob();
const invalid = (about: string) =>
  expect.objectContaining({ code: 'DOC_INVALID', message: expect.stringContaining(about) });

describe('a job from a stranger', () => {
  it('is read to the byte: what is decoded encodes to the same id', () => {
    const { bytes, id } = encodeJob(job);
    expect(encodeJob(decodeJob(bytes).job)).toEqual({ bytes, id });
  });

  it.each(['env', 'inputs'])('holds no key in %s that reading would drop', (field) => {
    const text = fromUtf8(encodeCanonical({ ...job, [field]: {} }));
    const bytes = toUtf8(text.replace(`"${field}":{}`, `"${field}":{"__proto__":"x"}`));
    expect(() => decodeJob(bytes)).toThrow(invalid('a key that cannot be kept'));
  });

  it.each(['make\u0000all', 'make \u001b[8m evil', 'make \u202e live'])(
    'hides nothing in a step: %j',
    (step) => {
      expect(() => decodeJob(encodeCanonical({ ...job, run: [step] }))).toThrow(
        invalid('control characters'),
      );
    },
  );

  it('of a later version says that it is newer, whatever else it holds', () => {
    const later = encodeCanonical({ ...job, v: 2, secrets: [] });
    expect(() => decodeJob(later)).toThrow(
      expect.objectContaining({ code: 'DOC_NEWER', message: expect.stringContaining('version 2') }),
    );
    expect(() => decodeJob(encodeCanonical({ ...job, v: 0 }))).toThrow(invalid('v'));
  });

  it('may have a step of several lines', () => {
    expect(decodeJob(encodeCanonical({ ...job, run: ['cd src\n\tmake'] })).job.run).toEqual([
      'cd src\n\tmake',
    ]);
  });
});
