import { z } from 'zod';
import { commandSchema, type Step, stepOptions } from '../core/documents/step.ts';

/** A step with keys. */
export const stepKeys = z.strictObject({
  run: commandSchema.describe('The shell command.'),
  name: stepOptions.name.describe(
    'What logs and failures call the step; otherwise the first line of its command.',
  ),
});

/** A step as written. One without options becomes its command alone, as in the job. */
export const stepInFile = z
  .union([commandSchema, stepKeys], 'expected a command, in quotes, or keys with the command under "run"')
  .transform((step): Step => {
    if (typeof step === 'string') return step;
    return Object.keys(step).length === 1 ? step.run : step;
  });
