import { expect, it } from 'vitest';
import {
  aroundPart,
  failedStep,
  failureLine,
  otherSteps,
  partsOf,
  stepViews,
} from '../../../src/controller/page/log-parts.ts';
import type { LogStep } from '../../../src/protocol/base/log-steps.ts';
import { parseLogTimes } from '../../../src/protocol/base/log-times.ts';

const step = (n: number, line: number, failed?: LogStep['failed']): LogStep => ({
  n,
  of: 3,
  name: `make ${n}`,
  line,
  ...(failed && { failed }),
});
const three = [step(1, 3), step(2, 10), step(3, 50)];
const none = { count: 99, times: parseLogTimes('') };
const done = { ...none, running: false, result: 'bafy' };
const shown = (from: number, to: number) => ({ from, to, count: 99 });

it.each([
  [done, 'passed', 'passed'],
  [{ running: true }, 'running', 'running'],
  [{ running: false }, 'unknown', ''],
  [{ running: false, result: 'aborted: time: over 60 s' }, 'failed', 'aborted'],
  [{ running: false, result: 'exit 1' }, 'failed', 'passed, the build failed after it'],
])('the last step of a build with %j is %s', (facts, ended, says) => {
  const steps = stepViews(three, { ...none, ...facts });
  expect(steps.map((one) => one.end)).toEqual([9, 49, 99]);
  expect(steps.map((one) => one.ended)).toEqual(['passed', 'passed', ended]);
  expect(steps[2]?.says).toBe(says);
});

it('the last step of a log whose end is missing failed where its build has', () => {
  const [first, second] = stepViews(three.slice(0, 2), { ...none, running: false, result: 'exit 7' });
  expect([first?.says, second?.says, second?.ended]).toEqual(['passed', 'exit 7', 'failed']);
});

it('a step that failed is open, others are closed but for that of the line that was asked for', () => {
  const allowed = { code: 1, allowed: true, line: 9 };
  const failed = { code: 7, allowed: false, line: 40 };
  const steps = stepViews([step(1, 3, allowed), step(2, 10, failed)], {
    ...none,
    count: 42,

    running: false,
    result: 'exit 7',
  });
  expect(steps.map(({ says }) => says)).toEqual(['exit 1, allowed', 'exit 7']);
  const open = (asked?: number) =>
    partsOf(steps, { from: 1, to: 42, count: 42 }, asked).map((part) => part.open);
  expect([open(), open(5)]).toEqual([
    [true, false, true],
    [true, true, true],
  ]);
  const bad = failedStep(steps);
  expect(bad?.n).toBe(2);
  expect(bad && failureLine(bad)).toBe(25);
  expect(failureLine({ ...three[1], end: 12 } as never)).toBe(10);
  const alone = partsOf(stepViews([step(1, 1)], { ...done, count: 9 }), { from: 1, to: 9, count: 9 });
  expect(alone).toMatchObject([{ from: 1, to: 9, open: true }]);
});

it('a page has the parts of its lines, and links to the steps of other pages', () => {
  const steps = stepViews(three, done);
  const parts = (from: number, to: number) =>
    partsOf(steps, shown(from, to)).map((part) => [part.step?.n, part.from, part.to]);
  expect(parts(1, 20)).toEqual([
    [undefined, 1, 2],
    [1, 3, 9],
    [2, 10, 20],
  ]);
  expect(parts(21, 40)).toEqual([[2, 21, 40]]);
  expect(parts(100, 99)).toEqual([]);
  expect(partsOf([], shown(1, 5))).toEqual([{ from: 1, to: 5, open: true }]);
  const links = String(otherSteps(steps, shown(10, 49), '/log'));
  expect(links).toContain('2 steps on other pages');
  expect([...links.matchAll(/href="([^"]*)"/g)].map(([, to]) => to)).toEqual([
    '/log?line=3#L3',
    '/log?line=50#L50',
  ]);
  expect(String(otherSteps(steps, shown(1, 99), '/log'))).toBe('');
});

it('the name of a step is text', () => {
  const [view] = stepViews([{ ...step(1, 1), name: '<img src=x>\u202e' }], { ...done, count: 9 });
  const { before } = aroundPart({ from: 1, to: 9, open: false, ...(view && { step: view }) });
  expect(before).toContain('1 of 3: &lt;img src=x&gt;\\u202e');
  expect(before).toMatch(/^<details class="step"><summary id="S1">/);
});

it('a step took as long as the times of its lines say', () => {
  // A line before the first step, the second step, and the last line of the log.
  const times = parseLogTimes('2+500 8+4000 89+75000');
  const took = stepViews(three, { ...done, times }).map(({ ms }) => ms);
  expect(took).toEqual([4_000, 0, 75_000]);
  const { before } = aroundPart({
    from: 1,
    to: 9,
    open: false,
    step: stepViews(three, { ...done, times })[2],
  } as never);
  expect(before).toContain('passed, 1:15');
});
