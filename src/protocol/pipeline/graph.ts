import { pipelineLimits } from './limits.ts';
import type { PipelineFault, Template } from './template.ts';

/**
 * Templates in an order in which each comes after those it needs, otherwise as in the file; or what is wrong with the needs:
 * `PIPELINE_INVALID`, `PIPELINE_TOO_LARGE` (a chain of more jobs than `depthMax`).
 */
export function sortTemplates<T extends Template>(
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
