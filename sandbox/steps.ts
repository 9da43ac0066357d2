import type { Step } from '../src/protocol/documents/step.ts';

export type StepParts = Exclude<Step, string>;

/** A step in its longer form. */
export const stepParts = (step: Step): StepParts => (typeof step === 'string' ? { run: step } : step);
