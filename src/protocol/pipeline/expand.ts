import type { z } from 'zod';
import { limits } from '../base/limits.ts';
import { toUtf8 } from '../base/text.ts';
import { cid, name as nameSchema } from '../documents/base.ts';
import { jobSchema } from '../documents/job.ts';
import { commandSchema, type Step, stepOptions } from '../documents/step.ts';
import { pipelineLimits } from './limits.ts';
import type { Instance, PipelineFault, Template } from './template.ts';

/** Templates in an order in which each comes after those it needs, otherwise as in the file. */
function sortTemplates<T extends Template>(
  templates: readonly T[],
): { sorted: T[] } | { faults: PipelineFault[] } {
  const byName = new Map(templates.map((template) => [template.name, template]));
  const unknown = templates.flatMap(({ name, needs }) =>
    needs.flatMap(({ job }) => (byName.has(job) ? [] : [unknownJob(name, job, [...byName.keys()])])),
  );
  if (unknown.length > 0) return { faults: unknown };
  /** Jobs of the longest chain that ends with a template; those that are done. */
  const depths = new Map<string, number>();
  const sorted: T[] = [];
  const visit = (template: T, above: readonly string[]): PipelineFault | undefined => {
    const chain = [...above, template.name];
    let depth = 1;
    for (const { job } of template.needs) {
      if (chain.includes(job)) return cycle(chain.slice(chain.indexOf(job)), job);
      const needed = byName.get(job);
      const fault = needed === undefined || depths.has(job) ? undefined : visit(needed, chain);
      if (fault !== undefined) return fault;
      depth = Math.max(depth, 1 + (depths.get(job) ?? 0));
    }
    if (depth > pipelineLimits.depthMax) return tooDeep(template);
    depths.set(template.name, depth);
    sorted.push(template);
    return undefined;
  };
  for (const template of templates) {
    const fault = depths.has(template.name) ? undefined : visit(template, []);
    if (fault !== undefined) return { faults: [fault] };
  }
  return { sorted };
}

const unknownJob = (name: string, job: string, known: readonly string[]): PipelineFault => ({
  code: 'PIPELINE_INVALID',
  path: [name, 'needs', job],
  message: `the file has no job "${job}"`,
  hint: `It has: ${known.join(', ')}.`,
});

const cycle = (chain: readonly string[], job: string): PipelineFault => ({
  code: 'PIPELINE_INVALID',
  path: [chain.at(-1) ?? job, 'needs', job],
  message: `jobs that wait for each other: ${[...chain, job].join(' needs ')}`,
  hint: 'Remove one of these needs.',
});

const tooDeep = ({ name }: Template): PipelineFault => ({
  code: 'PIPELINE_TOO_LARGE',
  path: [name, 'needs'],
  message: `with those before it a chain of over ${pipelineLimits.depthMax} jobs, of which each needs the one before`,
  hint: 'Put steps of one chain into one job.',
});

const open = '${{';
/** `$${{` stands for the characters `${{`; otherwise these begin `${{ matrix.key }}`. */
const marks = /\$\$\{\{|\$\{\{(?: *matrix\.([A-Za-z_][A-Za-z0-9_]{0,63}) *\}\})?/g;

/** Replaces `${{ matrix.key }}` once by its value, not quoted for a shell. `fault`: of the first mark that stands for nothing. */
export function substitute(
  text: string,
  values: Readonly<Record<string, string>>,
): { text: string } | { fault: string } {
  let fault: string | undefined;
  const result = text.replace(marks, (mark, key: string | undefined) => {
    if (mark.startsWith('$$')) return open;
    const value = key !== undefined && Object.hasOwn(values, key) ? values[key] : undefined;
    if (value !== undefined) return value;
    fault ??=
      key === undefined
        ? `"${open}" begins no "${open} matrix.key }}"`
        : `the matrix of the job has no key "${key}"`;
    return '';
  });
  return fault === undefined ? { text: result } : { fault };
}

type Matrix = Template['matrix'];

/** Number of combinations, none of which is built. */
const combinationsOf = (matrix: Matrix): number =>
  Object.values(matrix).reduce((count, values) => count * values.length, 1);

/** Each choice of one value for each key, the last key changing first; one empty choice of an empty matrix. */
function combinations(matrix: Matrix): Record<string, string>[] {
  let made: Record<string, string>[] = [{}];
  for (const [key, values] of Object.entries(matrix))
    made = made.flatMap((before) => values.map((value) => ({ ...before, [key]: value })));
  return made;
}

/** Characters of a value that its place in a name takes. */
const labelCharsMax = 16;

/** `test.gcc.1` of the job `test` with `gcc` and `1`: 16 characters of each value, `_` for those that a name may not hold. */
function instanceName(template: string, values: Readonly<Record<string, string>>): string {
  const labels = Object.values(values).map((value) =>
    value.slice(0, labelCharsMax).replace(/[^A-Za-z0-9._-]/g, '_'),
  );
  return [template, ...labels].join('.');
}

/** One instance of each template for each combination of its matrix, after those it needs. A matrix that is too large is not built. */
export function expandTemplates<T extends Template>(
  templates: readonly T[],
): { instances: Instance<T>[] } | { faults: PipelineFault[] } {
  const order = sortTemplates(templates);
  if ('faults' in order) return order;
  const many = tooMany(order.sorted);
  if (many !== undefined) return { faults: [many] };

  const names = new Map<string, string[]>();
  const taken = new Map<string, string>();
  for (const template of order.sorted) {
    const own = combinations(template.matrix).map((values) => instanceName(template.name, values));
    for (const name of own) {
      const fault = nameFault(name, template, taken.get(name));
      if (fault !== undefined) return { faults: [fault] };
      taken.set(name, template.name);
    }
    names.set(template.name, own);
  }

  const instances: Instance<T>[] = [];
  let bytes = 0;
  for (const template of order.sorted) {
    const needs = template.needs.flatMap(({ job, level }) =>
      (names.get(job) ?? []).map((instance) => ({ instance, level })),
    );
    for (const values of combinations(template.matrix)) {
      const made = instantiate(template, values);
      if ('fault' in made) return { faults: [made.fault] };
      bytes += made.bytes;
      if (bytes > pipelineLimits.bytesMax) return { faults: [tooLong(template, 'all jobs together', bytes)] };
      instances.push({ name: instanceName(template.name, values), template, values, needs, ...made.texts });
    }
  }
  return { instances };
}

type Texts = Pick<Instance, 'image' | 'run' | 'env'>;

/** One instance's texts, each of which has to be one of a job document. */
function instantiate(
  template: Template,
  values: Readonly<Record<string, string>>,
): { texts: Texts; bytes: number } | { fault: PipelineFault } {
  let fault: PipelineFault | undefined;
  const put = (text: string, path: (string | number)[], check: (text: string) => string | undefined) => {
    const made = substitute(text, values);
    const wrong = 'fault' in made ? made.fault : check(made.text);
    if (wrong !== undefined) fault ??= invalid(template, path, wrong, values);
    return 'fault' in made ? '' : made.text;
  };
  const { env } = jobSchema.shape;
  const texts: Texts = {
    image: put(template.image, ['image'], (image) =>
      image === 'host' || cid.safeParse(image).success
        ? undefined
        : 'expected "host", or the CID of an image (quorate image import makes one of a container)',
    ),
    run: template.run.map((step, n): Step => {
      if (typeof step === 'string') return put(step, ['run', n], wrongWith(commandSchema));
      const run = put(step.run, ['run', n, 'run'], wrongWith(commandSchema));
      if (step.name === undefined) return { ...step, run };
      return { ...step, run, name: put(step.name, ['run', n, 'name'], wrongWith(stepOptions.name)) };
    }),
    env: Object.fromEntries(
      Object.entries(template.env).map(([key, value]) => [
        key,
        put(value, ['env', key], wrongWith(env.valueType)),
      ]),
    ),
  };
  if (fault !== undefined) return { fault };
  const bytes = toUtf8(JSON.stringify(texts)).length;
  return bytes > limits.jobBytesMax ? { fault: tooLong(template, 'the job', bytes) } : { texts, bytes };
}

const wrongWith = (schema: z.ZodType) => (text: string) => schema.safeParse(text).error?.issues[0]?.message;

const marksHint = 'A value of the matrix is written ${{ matrix.key }}, the characters ${{ themselves $${{.';

function invalid(
  { name }: Template,
  path: (string | number)[],
  wrong: string,
  values: Readonly<Record<string, string>>,
): PipelineFault {
  const chosen = Object.entries(values).map(([key, value]) => `${key}=${value}`);
  return {
    code: 'PIPELINE_INVALID',
    path: [name, ...path],
    message: chosen.length === 0 ? wrong : `${wrong} (with ${chosen.join(', ')})`,
    hint: marksHint,
  };
}

function nameFault(name: string, template: Template, other: string | undefined): PipelineFault | undefined {
  const path = [template.name, 'matrix'];
  const code = 'PIPELINE_INVALID';
  if (other !== undefined) {
    const message = `two jobs are named "${name}": of ${other === template.name ? 'one matrix' : `"${other}" and "${template.name}"`}`;
    return { code, path, message, hint: 'Use values that differ in letters and digits, or other job names.' };
  }
  if (nameSchema.safeParse(name).success) return undefined;
  const message = `the job's name becomes "${name}", which has over 64 characters`;
  return { code, path, message, hint: 'Use a shorter name for the job, shorter values or fewer keys.' };
}

function tooMany(templates: readonly Template[]): PipelineFault | undefined {
  const { pipelineJobsMax, jobInputsMax } = limits;
  const counts = new Map<string, number>();
  let all = 0;
  for (const { name, matrix, needs } of templates) {
    const count = combinationsOf(matrix);
    counts.set(name, count);
    all += count;
    if (all > pipelineJobsMax) {
      const message = `the file makes over ${pipelineJobsMax} jobs, with this matrix of ${count > pipelineJobsMax ? `over ${pipelineJobsMax}` : count}`;
      const path = count > 1 ? [name, 'matrix'] : [name];
      return { code: 'PIPELINE_TOO_LARGE', path, message, hint: 'Use fewer keys or values.' };
    }
    const inputs = needs.reduce((sum, { job }) => sum + (counts.get(job) ?? 0), 0);
    if (inputs > jobInputsMax) {
      const message = `the job would read ${inputs} artifacts; at most ${jobInputsMax} are taken`;
      const hint = 'Collect artifacts in a job between them.';
      return { code: 'PIPELINE_TOO_LARGE', path: [name, 'needs'], message, hint };
    }
  }
  return undefined;
}

const tooLong = ({ name }: Template, what: string, bytes: number): PipelineFault => ({
  code: 'PIPELINE_TOO_LARGE',
  path: [name],
  message: `${what} would have ${bytes} bytes of commands and environment; at most ${what === 'the job' ? limits.jobBytesMax : pipelineLimits.bytesMax} are taken`,
  hint: 'Move long scripts into files and run those.',
});
