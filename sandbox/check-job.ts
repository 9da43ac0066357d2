import { QuorateError } from '../src/protocol/base/errors.ts';
import { limits as bounds } from '../src/protocol/base/limits.ts';
import { type SandboxJob, stepParts, type Tier, tierWithTerminal } from './types.ts';

/** Checks limits, names, paths and sizes of a job. @throws SANDBOX_JOB_INVALID for a job that the tier cannot run */
export function checkJob(job: SandboxJob, { tier, hostImage }: { tier: Tier; hostImage: boolean }): void {
  const { cpus, memoryBytes, diskBytes, pids, seconds } = job.limits;
  for (const [name, value] of Object.entries({ cpus, memoryBytes, diskBytes, pids, seconds }))
    require(Number.isFinite(value) && value > 0, `the limit ${name} must be a positive number, not ${value}`);
  for (const [name, value] of Object.entries({ memoryBytes, diskBytes, pids }))
    require(Number.isSafeInteger(value), `the limit ${name} must be a whole number, not ${value}`);
  require(job.image !== 'host' || hostImage, `the tier ${tier} does not run the host's own system`);

  const hasTerminal = job.terminal !== undefined;
  require(!hasTerminal || tier === tierWithTerminal, `the tier ${tier} does not support a terminal`);
  require(job.run.length <= bounds.jobStepsMax, `at most ${bounds.jobStepsMax} steps, not ${job.run.length}`);
  const steps = job.run.map(stepParts);
  const isLong = steps.some(({ run }) => Buffer.byteLength(run) > bounds.stepBytesMax);
  require(!isLong, `a step is longer than ${bounds.stepBytesMax} bytes`);
  const names = new Set<string>();
  for (const { name } of job.inputs) {
    require(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/.test(name), `input name ${JSON.stringify(name)}`);
    require(!names.has(name), `input name ${JSON.stringify(name)} is used twice`);
    names.add(name);
  }
  for (const name of Object.keys(job.env))
    require(/^[A-Za-z_][A-Za-z0-9_]*$/.test(name), `environment name ${JSON.stringify(name)}`);
  for (const path of job.outputs) {
    const inside =
      path === '.' || path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
    require(inside, `output path ${JSON.stringify(path)} must be relative, without "." or ".."`);
  }
  for (const [pin, value] of Object.entries(job.variation ?? {})) {
    // Some values become part of the driver's script.
    require(/^[A-Za-z0-9.-]+$/.test(String(value)), `the variation ${pin} ${JSON.stringify(value)}`);
  }
  const ofSteps = steps.flatMap(({ run, name = '' }) => [run, name]);
  const texts = [...ofSteps, ...Object.values(job.env), ...job.outputs];
  require(!texts.some((text) => text.includes('\0')), 'a step, value or path holds a NUL');
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  require(bytes <= bounds.jobBytesMax, `steps, environment and outputs exceed ${bounds.jobBytesMax} bytes`);
}

function require(condition: boolean, what: string): void {
  if (condition) return;
  throw new QuorateError('SANDBOX_JOB_INVALID', `the job cannot be run: ${what}`, {
    hint: 'correct the job',
  });
}
