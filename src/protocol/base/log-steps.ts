import { limits } from './limits.ts';

/** A step of a build, as its log tells it. */
export interface LogStep {
  /** 1 being the first. */
  n: number;
  of: number;
  /** The name, or the first line of the command. */
  name: string;
  /** Number of the line at which it begins. */
  line: number;
  /** It failed, and that line says so. `allowed`: the build went on. */
  failed?: { code: number; allowed: boolean; line: number };
}

/** In each line that says something of a step. */
const stepMark = 'quorate: step ';
/** Lines of the sandbox (sandbox/run/driver.ts, sandbox/native/source/first.c). They come after output that may lack a line break. */
const begins = /^quorate: step (\d{1,3}) of (\d{1,3}): (.*)$/;
const fails = /^quorate: step (\d{1,3}) of \d{1,3} failed( \(allowed\))?: exit (\d{1,3})(?: \((.*)\))?$/;

/** The part of a line that says something of a step. Patterns are tried there alone: a line may hold a thousand beginnings of one. */
const markIn = (line: string): string | undefined => {
  const at = line.indexOf(stepMark);
  return at === -1 ? undefined : line.slice(at);
};

interface FailedStep {
  n: number;
  code: number;
  allowed: boolean;
  /** Absent where it has none. */
  name?: string;
}

/** Reads a line that says how a step failed. */
export function failedStepIn(line: string): FailedStep | undefined {
  const [, n, allowed, code, name] = fails.exec(markIn(line) ?? '') ?? [];
  if (n === undefined) return undefined;
  return {
    n: Number(n),
    allowed: allowed !== undefined,
    code: Number(code),
    ...(name !== undefined && { name }),
  };
}

/**
 * Finds the steps of a build in the lines of its log. A build may print such lines as well: steps in another order than theirs are no steps, and
 * whatever it prints is believed of its own log alone.
 */
export class LogSteps {
  readonly steps: LogStep[] = [];

  /** Takes a line and its number. Returns what it says of a step. */
  push(line: string, at: number): 'begun' | 'failed' | undefined {
    const mark = markIn(line);
    if (mark === undefined) return undefined;
    const failed = failedStepIn(mark);
    if (failed !== undefined) return this.#fail(failed, at);
    const [, n, of, name = ''] = begins.exec(mark) ?? [];
    return n === undefined ? undefined : this.#begin({ n: Number(n), of: Number(of), name, line: at });
  }

  #begin(step: LogStep): 'begun' | undefined {
    const last = this.steps.at(-1);
    const isNext = step.n === this.steps.length + 1 && step.of === (last?.of ?? step.of);
    if (!isNext || step.n > step.of || step.of > limits.jobStepsMax) return undefined;
    // The build went on: a line that it printed itself.
    if (last?.failed?.allowed === false) delete last.failed;
    this.steps.push(step);
    return 'begun';
  }

  #fail({ n, code, allowed }: FailedStep, line: number): 'failed' | undefined {
    const step = this.steps[n - 1];
    if (step === undefined) return undefined;
    step.failed = { code, allowed, line };
    // The build ends with a step that failed: it printed what looks like further ones.
    if (!allowed) this.steps.length = n;
    return 'failed';
  }
}
