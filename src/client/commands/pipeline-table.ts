import type { ShownRun } from '../../member/client.ts';
import { accountLine, accountOf, type RunState } from '../../protocol/account/index.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { notCosigned } from '../../protocol/trust/not-cosigned.ts';
import { columns, shortRun } from '../../terminal/format.ts';
import type { Colours } from '../../terminal/output.ts';
import { graphRows } from './pipeline-graph.ts';

type PipelineJob = ShownRun['pipeline'][number];

const withReason: ReadonlySet<RunState> = new Set(['waiting', 'cancelled']);

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
      const says = job === undefined ? '' : standing(job);
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

/** The state of a job; of one that waits or was cancelled also why. */
function standing(job: PipelineJob): string {
  const account = accountOf(job);
  const says = withReason.has(account.state) ? escapeLine(accountLine(account), 300) : account.state;
  return `${job.test === true ? 'test, ' : ''}${says}${job.cosigned === false ? ' *' : ''}`;
}
