import { limits } from '../protocol/base/limits.ts';
import { sizeTexts } from '../protocol/base/quantity.ts';
import { encodeCanonical, type Job, type Policy } from '../protocol/documents/index.ts';
import { roundBytesMaxOf, runBytesMaxOf } from '../protocol/judge/index.ts';
import type { Instance, PipelineFault, Template } from '../protocol/pipeline/index.ts';

interface Counted extends Template {
  limits: Job['limits'];
  trust: Policy;
}

/** A job document beside its commands, environment and image: source, limits, outputs, the CIDs that it reads. */
const besideTextsBytes = 16 * 1024;

/**
 * Whether the evidence of each job, with that of all that it rests on, is within one bundle, as the controller asks of each request. A
 * bundle that nobody reads would be noticed only once all of it is built. Fault: `PIPELINE_TOO_LARGE`.
 */
export function evidenceFault(instances: readonly Instance<Counted>[]): PipelineFault | undefined {
  const bytes = new Map<string, number>();
  const rests = new Map<string, Set<string>>();
  for (const { name, template, needs, image, run, env } of instances) {
    const texts = encodeCanonical({ image, run, env }).length + besideTextsBytes;
    bytes.set(name, runBytesMaxOf(template, texts) + roundBytesMaxOf(template, template.trust));
    const all = new Set([name]);
    for (const { instance } of needs) for (const one of rests.get(instance) ?? []) all.add(one);
    rests.set(name, all);
    const sum = [...all].reduce((total, one) => total + (bytes.get(one) ?? 0), 0);
    if (sum > limits.bundleBytesMax) return tooLarge(template, all.size, sum);
  }
  return undefined;
}

function tooLarge({ name, needs }: Counted, jobs: number, bytes: number): PipelineFault {
  const [size, most] = sizeTexts(bytes, limits.bundleBytesMax);
  return {
    code: 'PIPELINE_TOO_LARGE',
    path: needs.length === 0 ? [name] : [name, 'needs'],
    message: `the evidence of ${jobs === 1 ? 'the job' : `these ${jobs} jobs`} could come to ${size}; at most ${most} are read`,
    hint: 'Each output file is a line in each receipt: say how many a job makes at most (limits: {files: 100}), or ask fewer operators.',
  };
}
