import { html } from 'hono/html';
import { foreign, type Html } from '../../http/kit/parts.ts';
import type { LogStep } from '../../protocol/base/log-steps.ts';
import { clockText, type LineTimes, timeOfLine } from '../../protocol/base/log-times.ts';
import { counted } from '../../protocol/base/quantity.ts';

/** Lines of a page: from the first to the last, of so many. */
export interface ShownRange {
  from: number;
  to: number;
  count: number;
}

/** Facts of a build besides its log. */
interface BuildFacts {
  /** `describeOutcome` of its receipt; undefined until its round is revealed. */
  result?: string | undefined;
  /** The log is written still. */
  running: boolean;
  /** Lines that there are. */
  count: number;
  times: LineTimes;
}

export interface StepView extends LogStep {
  /** The last of its lines so far. */
  end: number;
  ended: 'passed' | 'allowed' | 'failed' | 'running' | 'unknown';
  /** `passed`, `exit 7`. */
  says: string;
  /** Time from its beginning to the last line of which a time is known. */
  ms?: number;
}

/** Lines of a page that belong to one step, or to none. */
export interface LogPart {
  from: number;
  to: number;
  step?: StepView;
  open: boolean;
}

/** The steps of a log, and how each ended. */
export function stepViews(steps: readonly LogStep[], facts: BuildFacts): StepView[] {
  const { count, times } = facts;
  return steps.map((step, at) => {
    const next = steps[at + 1];
    const end = next === undefined ? count : next.line - 1;
    const [begun, ended] = [step.line, next?.line ?? count].map((line) => timeOfLine(times, line));
    const ms = begun === undefined || ended === undefined ? {} : { ms: ended - begun };
    return { ...step, end, ...ms, ...endOf(step, next === undefined, facts) };
  });
}

function endOf(
  { n, of, failed }: LogStep,
  isLast: boolean,
  { result, running }: BuildFacts,
): Pick<StepView, 'ended' | 'says'> {
  if (failed !== undefined) {
    const { allowed, code } = failed;
    return allowed
      ? { ended: 'allowed', says: `exit ${code}, allowed` }
      : { ended: 'failed', says: `exit ${code}` };
  }
  if (!isLast) return { ended: 'passed', says: 'passed' };
  if (running) return { ended: 'running', says: 'running' };
  if (result === undefined) return { ended: 'unknown', says: '' };
  if (result.startsWith('aborted: ')) return { ended: 'failed', says: 'aborted' };
  // The line that says so is missing, or the build failed after its last step: for an output that was not made.
  if (/^exit [1-9]/.test(result))
    return { ended: 'failed', says: n < of ? result : 'passed, the build failed after it' };
  return { ended: 'passed', says: 'passed' };
}

export const failedStep = (steps: readonly StepView[]): StepView | undefined =>
  steps.findLast(({ ended }) => ended === 'failed');

/** Lines before the one that says that a step failed. */
const linesBefore = 15;

/** The line to begin reading at, of a step that failed. */
export const failureLine = ({ line, end, failed }: StepView): number =>
  Math.max(line, (failed?.line ?? end) - linesBefore);

/** The parts of a page. Open are the step that failed or runs, and the one that has the line that was asked for. */
export function partsOf(steps: readonly StepView[], { from, to }: ShownRange, asked?: number): LogPart[] {
  const before = { from, to: Math.min(to, (steps[0]?.line ?? to + 1) - 1), open: true };
  const bad = failedStep(steps);
  const parts = steps.map((step): LogPart => {
    const isAsked = asked !== undefined && step.line <= asked && asked <= step.end;
    const open = steps.length === 1 || step === bad || step.ended === 'running' || isAsked;
    return { from: Math.max(from, step.line), to: Math.min(to, step.end), step, open };
  });
  return [before, ...parts].filter((part) => part.from <= part.to);
}

const marks: Readonly<Record<StepView['ended'], string>> = {
  passed: '✓',
  allowed: '!',
  failed: '✗',
  running: '…',
  unknown: '·',
};

const title = ({ n, of, name, ended, says, ms }: StepView): Html => {
  const facts = [says, ms === undefined ? '' : clockText(ms)].filter((text) => text !== '').join(', ');
  return html`<span class="mark ${ended}" aria-hidden="true">${marks[ended]}</span> ${n} of ${of}: ${foreign(name, 200)}${facts === '' ? '' : html` <span class="quiet">${facts}</span>`}`;
};

export const stepSummary = (step: StepView): Html => html`<summary id="S${step.n}">${title(step)}</summary>`;

/** Markup before and after the lines of a part. */
export function aroundPart({ step, open }: LogPart): { before: string; after: string } {
  if (step === undefined) return { before: '', after: '' };
  return { before: `<details class="step"${open ? ' open' : ''}>${stepSummary(step)}`, after: '</details>' };
}

/** Links to the steps that have no line on the page. */
export function otherSteps(steps: readonly StepView[], { from, to }: ShownRange, url: string): Html {
  const others = steps.filter(({ line, end }) => end < from || to < line);
  if (others.length === 0) return html``;
  return html`<details class="step"><summary>${counted(others.length, 'step')} on other pages</summary><ol class="steps">${others.map(
    (step) => html`<li><a href="${url}?line=${step.line}#L${step.line}">${title(step)}</a></li>`,
  )}</ol></details>`;
}
