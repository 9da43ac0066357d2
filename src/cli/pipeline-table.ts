import { escapeLine } from '../core/escape.ts';
import { notCosigned } from '../core/trust/not-cosigned.ts';
import type { ShownRun } from '../runtime/client/client.ts';
import { columns, shortRun } from './format.ts';
import type { Colours } from './output.ts';
import { graphRows } from './pipeline-graph.ts';

type PipelineJob = ShownRun['pipeline'][number];

/** Lines that draw how jobs rest on each other, with the level of each; the run `current` is marked. */
export function pipelineTable(
  jobs: readonly PipelineJob[],
  current: string,
  { bold, yellow }: Colours,
): string[] {
  const byRun = new Map(jobs.map((job) => [job.run, job]));
  const rows = graphRows(
    jobs.map((job) => ({ ...job, id: job.run, needs: job.needs.map(({ run }) => run) })),
  );
  const lines = columns(
    rows.map(({ job: { run }, head, also }) => {
      const job = byRun.get(run);
      const says = job === undefined ? '' : standing(job, byRun);
      return [
        `${run === current ? '>' : ' '} ${head}`,
        shortRun(run),
        says,
        also.length === 0 ? '' : `also needs ${also.join(', ')}`,
      ];
    }),
  ).map((line) => (line.startsWith('>') ? bold(line) : line));
  return jobs.some(({ cosigned }) => cosigned === false) ? [...lines, yellow(`* ${notCosigned}`)] : lines;
}

function standing(
  { state, level, test, cosigned, revoked, reason, needs }: PipelineJob,
  byRun: ReadonlyMap<string, PipelineJob>,
): string {
  const untrusted = needs.filter(({ run }) => !isTrusted(byRun.get(run)));
  const parts = [
    ...(test === true ? ['test'] : []),
    state === 'cancelled'
      ? `cancelled: ${escapeLine(reason ?? '', 200)}`
      : state === 'waiting'
        ? `waits for ${untrusted.map(({ name }) => name).join(', ')}`
        : (level ?? state),
    ...(level === 'agreed' && state !== 'cancelled' && untrusted.length > 0 ? ['provisional'] : []),
    ...(revoked === true ? ['revoked'] : []),
  ];
  return `${parts.join(', ')}${cosigned === false ? ' *' : ''}`;
}

const isTrusted = (job: PipelineJob | undefined): boolean => job?.level === 'trusted' && job.revoked !== true;
