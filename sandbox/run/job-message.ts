import { assert } from '../../src/protocol/base/errors.ts';
import { stepParts } from '../steps.ts';
import type { DrivenJob } from './driver.ts';
import { coveringPaths } from './driver.ts';
import { buildEnvironment } from './environment.ts';
import { profileOf } from './profile.ts';

/** First bytes of the message; after them its length in eight hexadecimal digits. */
const magic = 'quorate1';

/**
 * The job as the native first process reads it (sandbox/native/source/first.c, read_job), before source and inputs: words, each
 * ended by NUL.
 */
export function jobMessage(job: DrivenJob): Buffer {
  const { uid, umask, source } = profileOf(job);
  const flags = [
    job.terminal === undefined ? '' : 't',
    job.stepMarks === true ? 'm' : '',
    job.failedOutputs === true ? 'f' : '',
  ].join('');
  const environment = buildEnvironment(job);
  const outputs = coveringPaths(job.outputs);
  const steps = job.run.map(stepParts);
  const words = [
    ...[String(uid), umask, source, flags],
    ...[String(environment.length), ...environment],
    ...[String(outputs.length), ...outputs],
    String(steps.length),
    ...steps.flatMap(({ name = '', shell = 'sh', allowFailure, run }) => [
      ...[name, shell, allowFailure === true ? 'allowed' : '', run],
    ]),
  ];
  // checkJob refuses such a job.
  assert(!words.some((word) => word.includes('\0')), 'no word holds a NUL');
  const body = Buffer.from(words.map((word) => `${word}\0`).join(''));
  return Buffer.concat([Buffer.from(magic + body.length.toString(16).padStart(8, '0')), body]);
}
