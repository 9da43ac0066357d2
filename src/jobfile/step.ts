import { z } from 'zod';
import { commandSchema, type Step, stepOptions } from '../protocol/documents/step.ts';

export const shellSchema = z.enum(['sh', 'bash'], { error: 'expected "sh" or "bash"' });
type Shell = z.infer<typeof shellSchema>;

export const stepKeys = z.strictObject({
  run: commandSchema.describe('The shell command.'),
  name: stepOptions.name.describe(
    'What logs and failures call the step; otherwise the first line of its command.',
  ),
  allow_failure: z
    .boolean('expected true or false')
    .default(false)
    .describe('Whether the job goes on where the step fails. Its exit status is told in the log only.'),
  shell: shellSchema.optional().describe('The shell of this step; otherwise that of the job.'),
});

export const stepInFile = z.union(
  [commandSchema, stepKeys],
  'expected a command, in quotes, or keys with the command under "run"',
);

/** The step as a job has it: one without options is its command alone. */
export function stepOf(step: z.infer<typeof stepInFile>, shellOfJob: Shell): Step {
  const {
    run,
    shell = shellOfJob,
    allow_failure: allowed,
    ...rest
  } = typeof step === 'string' ? { run: step, allow_failure: false } : step;
  const options = { ...rest, ...(shell === 'bash' && { shell }), ...(allowed && { allowFailure: allowed }) };
  return Object.keys(options).length === 0 ? run : { run, ...options };
}
