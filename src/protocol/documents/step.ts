import { z } from 'zod';
import { limits } from '../base/limits.ts';
import { text } from './base.ts';
import { documentLimits } from './limits.ts';

/** A command may span lines; other control characters could only hide what it does from a reader. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing control characters is the point
const printable = /^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]*$/u;

/** The text of a step, for a shell. */
export const commandSchema = z
  .string()
  .min(1)
  .max(limits.stepBytesMax)
  .regex(printable, 'holds control characters');

export const stepOptions = {
  /** Shown in logs and failures instead of the command's first line. */
  name: text(documentLimits.stepNameCharsMax).regex(/\S/, 'is empty').optional(),
  /** Absent for sh. */
  shell: z.literal('bash').optional(),
  /** The job goes on where the step fails: its exit status is in the log, and in no result. */
  allowFailure: z.literal(true).optional(),
};

/** A step with options: one without is the command alone, so that one meaning has one id. */
const optionedStep = z
  .strictObject({ run: commandSchema, ...stepOptions })
  .refine((step) => Object.keys(step).length > 1, 'has no option, and is written as its command alone');

export const stepSchema = z.union([commandSchema, optionedStep]);
export type Step = z.infer<typeof stepSchema>;
