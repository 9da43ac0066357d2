import { z } from 'zod';
import { amountSchema } from '../protocol/base/amount-schema.ts';
import { limits } from '../protocol/base/limits.ts';
import { globFault } from '../protocol/base/pattern.ts';
import { type Unit, units } from '../protocol/base/units.ts';
import { cid, name, policySchema, text } from '../protocol/documents/base.ts';
import { jobSchema } from '../protocol/documents/job.ts';
import { commandSchema, type Step, stepOptions } from '../protocol/documents/step.ts';
import type { Need } from '../protocol/pipeline/index.ts';
import { jobFileLimits } from './limits.ts';

const shellSchema = z.enum(['sh', 'bash'], { error: 'expected "sh" or "bash"' });

const stepKeys = z.strictObject({
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

const stepInFile = z.union(
  [commandSchema, stepKeys],
  'expected a command, in quotes, or keys with the command under "run"',
);

/** The step as a job has it: one without options is its command alone. */
export function stepOf(step: z.infer<typeof stepInFile>, shellOfJob: z.infer<typeof shellSchema>): Step {
  const {
    run,
    shell = shellOfJob,
    allow_failure: allowed,
    ...rest
  } = typeof step === 'string' ? { run: step, allow_failure: false } : step;
  const options = { ...rest, ...(shell === 'bash' && { shell }), ...(allowed && { allowFailure: allowed }) };
  return Object.keys(options).length === 0 ? run : { run, ...options };
}

const bounds = jobSchema.shape.limits.shape;
const amount = (unit: Unit, { minValue, maxValue }: z.ZodNumber) =>
  amountSchema(unit, { min: minValue ?? undefined, max: maxValue ?? undefined });

const limitsSchema = z.strictObject({
  cpus: bounds.cpus.default(1).describe('Processors the build may keep busy.'),
  memory: amount(units.size, bounds.memoryBytes)
    .default(2 ** 30)
    .describe('Memory of all processes together, default 1GiB. A build that needs more is stopped.'),
  disk: amount(units.size, bounds.diskBytes)
    .default(2 ** 30)
    .describe(
      'Bytes the build may write, default 1GiB. They are kept in memory and count against `memory` too, unless they are more than `memory`.',
    ),
  time: amount(units.time, bounds.seconds)
    .default(20 * 60)
    .describe('Wall-clock time of all steps together, default 20m.'),
  pids: bounds.pids.default(512).describe('Processes and threads at any one time.'),
  files: z
    .int()
    .min(1)
    .max(limits.outputFilesMax)
    .optional()
    .describe(
      `Files that the outputs may be, default ${limits.outputFilesDefault}, of a test ${jobFileLimits.testFilesDefault}: each is a line, with its hash, in every receipt.`,
    ),
});

const trustShape = policySchema.shape;
const signatures = trustShape.cosign.options;
const trustSchema = z
  .strictObject({
    agree: trustShape.agree.default(2).describe('Independent operators who must produce identical outputs.'),
    of: trustShape.of.default(3).describe('Operators asked. Twice `agree` must exceed it.'),
    cosign: z
      .enum(signatures, { error: `expected ${signatures.map((one) => `"${one}"`).join(' or ')}` })
      .optional()
      .describe(
        'Whether your own trusted worker must build the same thing and sign, too. Default: required, and none for a test.',
      ),
    rounds: trustShape.rounds
      .default(2)
      .describe('How often fresh operators may be asked when too few agree.'),
  })
  .superRefine(({ agree, of }, context) => {
    if (agree <= of && 2 * agree > of) return;
    const rule =
      agree > of
        ? `agree (${agree}) must not exceed of (${of})`
        : `twice agree (${agree}) must exceed of (${of})`;
    context.addIssue({ code: 'custom', message: rule });
  });

const needLevel = z.enum(['agreed', 'trusted'], { error: 'expected "agreed" or "trusted"' });
const needsSchema = z
  .union(
    [
      z
        .array(name)
        .refine((jobs) => new Set(jobs).size === jobs.length, 'names the same job twice')
        .describe('Jobs whose artifacts have to be trusted.'),
      z.record(name, needLevel).describe('Jobs with the level that their artifacts have to have.'),
    ],
    'expected a list of jobs, or jobs with "agreed" or "trusted"',
  )
  .transform((needs): Need[] =>
    Array.isArray(needs)
      ? needs.map((job) => ({ job, level: 'trusted' }))
      : Object.entries(needs).map(([job, level]) => ({ job, level })),
  );

const matrixKey = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'a key has letters, digits and _ only');
const matrixValue = z
  .union(
    [text(jobFileLimits.valueCharsMax).min(1), z.int()],
    `expected text of at most ${jobFileLimits.valueCharsMax} characters, or a whole number; put other values in quotes`,
  )
  .transform(String);
const matrixSchema = z
  .record(
    matrixKey,
    z
      .array(matrixValue)
      .min(1, 'needs at least one value')
      .refine((values) => new Set(values).size === values.length, 'has the same value twice'),
  )
  .refine(
    (matrix) => Object.keys(matrix).length <= jobFileLimits.matrixKeysMax,
    `has more than ${jobFileLimits.matrixKeysMax} keys`,
  );

const glob = text(jobFileLimits.globCharsMax)
  .min(1, 'is empty')
  .superRefine((pattern, context) => {
    const message = globFault(pattern);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });
const globs = z
  .array(glob)
  .min(1, 'needs at least one pattern')
  .max(jobFileLimits.globsMax, `has more than ${jobFileLimits.globsMax} patterns`);
const conditionsSchema = z
  .strictObject({
    ref: globs
      .optional()
      .describe(
        'Patterns for the branch or tag that is built: `main`, `release/*`, or full names such as `refs/tags/v*`.',
      ),
    changed: globs
      .optional()
      .describe(
        'Patterns for the paths that differ from the base commit (`--base`). Without a base the job is built.',
      ),
  })
  .refine(({ ref, changed }) => ref !== undefined || changed !== undefined, {
    error: 'names no condition',
    // A misspelt one is told as that.
    when: ({ issues }) => issues.length === 0,
  });
/** A file of the source tree. */
const treePath = text(limits.pathBytesMax).refine(
  (path) => path.split('/').every((part) => part !== '' && part !== '.' && part !== '..'),
  'expected the path of a file below the top of the repository, such as package-lock.json',
);

const jobInFile = z.strictObject({
  kind: z
    .literal('test', { error: 'expected "test", or no "kind" for every other job' })
    .optional()
    .describe(
      'For a test: its result is whether it passed, with the files it leaves in $OUT. They are reports, and never an artifact.',
    ),
  image: z
    .string('expected "host", or the CID of an image (quorate image import makes one of a container)')
    .refine(
      // With a value of the matrix in it, it is looked at once that is there.
      (image) => image === 'host' || image.includes('${{') || cid.safeParse(image).success,
      'expected "host", or the CID of an image (quorate image import makes one of a container)',
    )
    .default('host')
    .describe('The system the build runs on: `host` for the worker’s own, or the CID of a root file system.'),
  run: z
    .array(stepInFile)
    .min(1, 'needs at least one command')
    .max(limits.jobStepsMax, `has more than ${limits.jobStepsMax} commands`)
    .describe(
      'Steps, one after another; the first that fails ends the job. Each is a shell command, or keys with the command under `run`.',
    ),
  shell: shellSchema
    .default('sh')
    .describe('The shell of all steps that name none: `sh -eu`, or `bash -eu -o pipefail`.'),
  outputs: jobSchema.shape.outputs
    .refine((paths) => new Set(paths).size === paths.length, 'names the same path twice')
    .default(['.'])
    .describe('Paths below $OUT that become the artifact; `.` for all of it.'),
  env: z
    .record(
      z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'not the name of an environment variable'),
      jobSchema.shape.env.valueType,
    )
    .default({})
    .describe('Environment variables of the build. Not for secrets: everybody who builds reads them.'),
  network: z
    .array(z.enum(['vcs', 'store'], { error: 'expected "vcs" or "store"' }))
    .refine((names) => new Set(names).size === names.length, 'names the same twice')
    .default([])
    .describe(
      'What the build may reach, through a proxy: `vcs`, the version control servers of the charter; `store`, the artifact store of the project. Nothing by default.',
    ),
  dependencies: z
    .array(treePath)
    .max(limits.jobLocksMax, `names more than ${limits.jobLocksMax} lock files`)
    .refine((paths) => new Set(paths).size === paths.length, 'names the same file twice')
    .default([])
    .describe(
      'Lock files in the source tree, such as `package-lock.json`: what they name is there when the build begins, for its tools to install without a network.',
    ),
  git: z
    .boolean('expected true or false')
    .default(false)
    .describe(
      'Whether the checkout has a git folder: the commit without its history, and the tag that is built.',
    ),
  limits: limitsSchema
    .prefault({})
    .describe('What one build may use; workers that lend less do not take the job.'),
  trust: trustSchema.prefault({}).describe('What it takes until the artifact counts as trusted.'),
  needs: needsSchema
    .default([])
    .describe(
      'Jobs whose artifacts this one reads, at /build/in/<name>, and the level they have to have before it begins: `{build: agreed}`. A list stands for `trusted`.',
    ),
  matrix: matrixSchema
    .default({})
    .describe(
      'Values by key: the job is built for each combination, with `${{ matrix.key }}` replaced in `image`, `run` and `env`.',
    ),
  if: conditionsSchema
    .default({})
    .describe('Conditions that all have to hold, otherwise the job is skipped, with those that need it.'),
});

export type JobInFile = z.infer<typeof jobInFile>;

export const jobFileSchema = z
  .strictObject({
    jobs: z
      .record(name, jobInFile)
      .refine((jobs) => Object.keys(jobs).length > 0, 'names no job')
      .refine(
        (jobs) => Object.keys(jobs).length <= jobFileLimits.jobsMax,
        `names more than ${jobFileLimits.jobsMax} jobs`,
      )
      .describe('The jobs of this repository by name.'),
  })
  .describe('quorate.yaml: what Quorate builds from this repository.');

/** Keys allowed at a path, for the message on an unknown key. */
export function keysAt(path: readonly PropertyKey[]): string[] {
  const [top, , section] = path;
  if (top === undefined) return Object.keys(jobFileSchema.shape);
  if (section === 'limits') return Object.keys(limitsSchema.shape);
  if (section === 'run') return Object.keys(stepKeys.shape);
  if (section === 'trust') return Object.keys(trustSchema.shape);
  if (section === 'if') return Object.keys(conditionsSchema.shape);
  return Object.keys(jobInFile.shape);
}

/** JSON Schema (draft 2020-12) of the file, for editors: published as docs/quorate.schema.json. */
export function jobFileJsonSchema(): object {
  return { title: 'quorate.yaml', ...z.toJSONSchema(jobFileSchema, { io: 'input' }) };
}
