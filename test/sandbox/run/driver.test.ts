import { expect, it } from 'vitest';
import { coveringPaths, driverCommand, parseStatus } from '../../../sandbox/run/driver.ts';

it('keeps the outermost of nested outputs, sorted and once', () => {
  expect(coveringPaths(['b', 'a/b', 'a', 'ab', 'b/', 'a/b/c'])).toEqual(['a', 'ab', 'b']);
  expect(coveringPaths(['x', '.'])).toEqual(['.']);
  expect(coveringPaths([])).toEqual([]);
});

it('takes from the driver only what it can mean', () => {
  expect(parseStatus('exit 3')).toEqual({ kind: 'exit', code: 3 });
  expect(parseStatus('complete')).toEqual({ kind: 'complete' });
  for (const line of ['', 'exit', 'exit x', 'exit 0x1', 'exit 256', 'exit 1000', 'exited 0', 'exit 0 0']) {
    expect(parseStatus(line)).toBeUndefined();
  }
});

it('runs steps by a script that does what their job asks for, and no more', () => {
  const step = (over: object) =>
    driverCommand({ run: ['true'], env: {}, outputs: ['.'], ...over }, { step: [] });
  const script = (over: object) => step(over)[2] ?? '';
  const has = (part: string, over: object) => script(over).includes(part);
  const terminal = {} as never;
  for (const [part, over] of [
    ['<&5 5<&-', { terminal }],
    ['command -v bash', { run: ['true', { run: 'true', shell: 'bash' }] }],
    ["printf 'quorate: step %s of 1", { stepMarks: true }],
  ] as const)
    expect([part, has(part, over), has(part, {})]).toEqual([part, true, false]);
  // Without its outputs a failed build ends before they are packed.
  expect([
    has('[ $code = 0 ] || exit 0', {}),
    has('[ $code = 0 ] || exit 0', { failedOutputs: true }),
  ]).toEqual([...[true, false]]);
  const steps = ['one', { run: 'two', name: 'second', shell: 'bash', allowFailure: true } as const];
  expect(step({ run: steps }).slice(4)).toEqual([
    ...['', '/bin/sh -eu', '', 'one'],
    ...['second', 'bash --noprofile --norc -eu -o pipefail', 'allowed', 'two'],
  ]);
});
