import { expect, it } from 'vitest';
import { LogSteps } from '../../../src/protocol/base/log-steps.ts';

function stepsOf(...lines: string[]) {
  const steps = new LogSteps();
  const says = lines.map((line, at) => steps.push(line, at + 1));
  return { steps: steps.steps, says };
}
const begun = (n: number, of = 3) => `quorate: step ${n} of ${of}: make ${n}`;
const failed = (n: number, how = '') => `quorate: step ${n} of 3 failed${how}: exit 7`;
const named = (steps: readonly { name: string; failed?: { code: number } }[]) =>
  steps.map(({ name, failed: fails }) => `${name}${fails === undefined ? '' : ` ${fails.code}`}`);

it('steps have a name, the line at which they begin, and how they failed', () => {
  const { steps, says } = stepsOf(
    'quorate: source',
    begun(1),
    'cc',
    failed(1, ' (allowed)'),
    begun(2),
    failed(2),
  );
  expect(says).toEqual([undefined, 'begun', undefined, 'failed', 'begun', 'failed']);
  expect(steps).toEqual([
    { n: 1, of: 3, name: 'make 1', line: 2, failed: { code: 7, allowed: true, line: 4 } },
    { n: 2, of: 3, name: 'make 2', line: 5, failed: { code: 7, allowed: false, line: 6 } },
  ]);
});

it('a mark stands behind output without a line break', () => {
  expect(stepsOf(`\u001b[31m42%\u001b[0m${begun(1)}`, `done${failed(1)} (make 1)`).steps).toMatchObject([
    { name: 'make 1', failed: { code: 7 } },
  ]);
});

it.each([
  ['another order', [begun(2), begun(1), begun(3)], ['make 1']],
  ['another number of steps', [begun(1), begun(2, 9)], ['make 1']],
  ['more than there are', [begun(1, 1), begun(2, 1)], ['make 1']],
  ['more than a job has', [begun(1, 201)], []],
  [
    'none at all',
    [begun(0), 'quorate: step 1 of 3', 'quorate: step x of 3: y', 'quorate: step 1 of 1000: y'],
    [],
  ],
  ['a step that failed, and the build goes on', [begun(1), failed(1), begun(2)], ['make 1', 'make 2']],
  ['a step that failed before it begins', [failed(2), begun(1)], ['make 1']],
  ['the next step, and then the step fails', [begun(1), begun(2), failed(1)], ['make 1 7']],
])('a build that prints marks of %s only has an odd log', (_, lines, steps) => {
  expect(named(stepsOf(...lines).steps)).toEqual(steps);
});
