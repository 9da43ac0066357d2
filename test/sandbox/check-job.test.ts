import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { checkJob } from '../../sandbox/check-job.ts';
import type { SandboxJob } from '../../sandbox/types.ts';
import { limits as bounds } from '../../src/protocol/base/limits.ts';
import { codeOf } from '../support/code-and-folder.ts';

const tar = () => Readable.from([]);
const limits = { cpus: 0.5, memoryBytes: 1, diskBytes: 1, pids: 1, seconds: 0.1 };
const job = (over: Partial<SandboxJob>): SandboxJob => ({
  source: tar(),
  inputs: [],
  run: ['true'],
  env: {},
  outputs: ['.'],
  limits,
  image: 'host',
  ...over,
});
const input = (name: string) => ({ name, tar: tar() });
const codeFor = (over: Partial<SandboxJob>, tier = { tier: 'namespace' as const, hostImage: true }) =>
  codeOf(() => checkJob(job(over), tier));

describe('a job', () => {
  it.each<[string, Partial<SandboxJob>]>([
    ['the least', {}],
    ['the most steps', { run: Array.from({ length: bounds.jobStepsMax }, () => 'true') }],
    ['the longest step', { run: ['x'.repeat(bounds.stepBytesMax)] }],
    ['inputs', { inputs: [input('a'), input('_B.c-d'), input('x'.repeat(100))] }],
    ['an environment', { env: { _a1: '', A: 'any text\n' } }],
    ['outputs', { outputs: ['.', 'a', 'a/.b/c..d'] }],
    ['a variation', { variation: { hostName: 'a-b.c', uid: 7 } }],
    ['a terminal', { terminal: { input: tar(), sizes: tar() } as never }],
  ])('may have %s', async (_, over) => {
    expect(await codeFor(over)).toBeUndefined();
  });

  it.each<[string, Partial<SandboxJob>]>([
    ...Object.keys(limits).flatMap((name): [string, Partial<SandboxJob>][] =>
      [0, -1, Number.NaN, Number.POSITIVE_INFINITY].map((value) => [
        `${value} of ${name}`,
        { limits: { ...limits, [name]: value } },
      ]),
    ),
    ...['memoryBytes', 'diskBytes', 'pids'].map((name): [string, Partial<SandboxJob>] => [
      `half a unit of ${name}`,
      { limits: { ...limits, [name]: 1.5 } },
    ]),
    ['too many steps', { run: Array.from({ length: bounds.jobStepsMax + 1 }, () => 'true') }],
    ['too long a step', { run: ['x'.repeat(bounds.stepBytesMax + 1)] }],
    ['an input twice', { inputs: [input('a'), input('a')] }],
    ...['', '..', '.a', 'a/b', 'x'.repeat(101), 'ä'].map((name): [string, Partial<SandboxJob>] => [
      `an input called "${name}"`,
      { inputs: [input(name)] },
    ]),
    ...['', '1', 'a-b', 'a=b'].map((name): [string, Partial<SandboxJob>] => [
      `a variable called "${name}"`,
      { env: { [name]: '' } },
    ]),
    ...['', '/a', 'a//b', './a', 'a/..', '..'].map((path): [string, Partial<SandboxJob>] => [
      `an output "${path}"`,
      { outputs: [path] },
    ]),
    ...['a b', 'a;b', '$a', ''].map((value): [string, Partial<SandboxJob>] => [
      `a host called "${value}"`,
      { variation: { hostName: value } },
    ]),
    ['a NUL in a step', { run: ['a\0b'] }],
    ['a NUL in the name of a step', { run: [{ name: 'a\0b', run: 'true' }] }],
    ['a NUL in a value', { env: { A: '\0' } }],
    ['a NUL in an output', { outputs: ['a\0b'] }],
    ['more text than a job has', { env: { A: 'x'.repeat(bounds.jobBytesMax + 1) } }],
  ])('has not %s', async (_, over) => {
    expect(await codeFor(over)).toBe('SANDBOX_JOB_INVALID');
  });

  it('runs in the host’s own system, or with a terminal, where the tier can alone', async () => {
    const vm = { tier: 'vm' as const, hostImage: false };
    expect(await codeFor({}, vm as never)).toBe('SANDBOX_JOB_INVALID');
    const image = { cid: 'a', path: '/a' } as never;
    expect(await codeFor({ image }, vm as never)).toBeUndefined();
    const terminal = { input: tar(), sizes: tar() } as never;
    expect(await codeFor({ image, terminal }, vm as never)).toBe('SANDBOX_JOB_INVALID');
  });
});
