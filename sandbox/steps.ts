import type { Step } from '../src/core/documents/step.ts';

/** A step in its longer form. */
export const stepParts = (step: Step): Exclude<Step, string> =>
  typeof step === 'string' ? { run: step } : step;
