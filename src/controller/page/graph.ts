import { html } from 'hono/html';
import { foreign, type Html, runUrl } from '../../http/kit/parts.ts';
import { accountOf } from '../../protocol/account/index.ts';
import type { PipelineJob } from '../node/project-view.ts';

const box = { width: 168, height: 40, gapX: 44, gapY: 14 } as const;
const nameChars = 20;

interface Placed {
  job: PipelineJob;
  x: number;
  y: number;
}

/** Draws a pipeline: each job in the column after the last of those that it needs. `here`: the run of the page. */
export function graph(jobs: readonly PipelineJob[], here: string): Html {
  const placed = place(jobs);
  const width = Math.max(...[...placed.values()].map(({ x }) => x + box.width)) + 2;
  const height = Math.max(...[...placed.values()].map(({ y }) => y + box.height)) + 2;
  const edges = [...placed.values()].flatMap((to) =>
    to.job.needs.flatMap(({ run }) => {
      const from = placed.get(run);
      return from === undefined ? [] : [edge(from, to)];
    }),
  );
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Pipeline">
<svg class="graph" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="list" aria-label="${jobs.length} jobs">
<g aria-hidden="true">${edges.map((d) => html`<path class="edge" d="${d}"/>`)}</g>
${[...placed.values()].map((one) => node(one, here))}
</svg></div>`;
}

function node({ job, x, y }: Placed, here: string): Html {
  const { state, reason } = accountOf(job);
  const name = foreign(job.name, 80);
  const short = name.length > nameChars ? `${name.slice(0, nameChars - 1)}…` : name;
  const needs = job.needs.map((need) => foreign(need.name, 80)).join(', ');
  const label = `${name}, ${state}${needs === '' ? '' : `, needs ${needs}`}`;
  const classes = `${state}${job.run === here ? ' here' : ''}`;
  return html`<g role="listitem" class="${classes}"><a href="${runUrl(job.run)}" aria-label="${label}"${job.run === here ? html` aria-current="page"` : ''}>
<title>${label}. ${foreign(reason)}</title>
<rect x="${x}" y="${y}" width="${box.width}" height="${box.height}" rx="4"/>
<text x="${x + 10}" y="${y + 17}">${short}</text>
<text class="state" x="${x + 10}" y="${y + 32}">${state}${job.test === true ? ' · test' : ''}</text>
</a></g>`;
}

function edge(from: Placed, to: Placed): string {
  const [x1, y1] = [from.x + box.width, from.y + box.height / 2];
  const [x2, y2] = [to.x, to.y + box.height / 2];
  const middle = (x1 + x2) / 2;
  return `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`;
}

/** Columns by the longest way from a job that needs none; jobs that need each other, which no controller has, stay where they are. */
function place(jobs: readonly PipelineJob[]): Map<string, Placed> {
  const byRun = new Map(jobs.map((job) => [job.run, job]));
  const columns = new Map<string, number>();
  const columnOf = (job: PipelineJob, above: ReadonlySet<string>): number => {
    const known = columns.get(job.run);
    if (known !== undefined) return known;
    let column = 0;
    const path = new Set([...above, job.run]);
    for (const { run } of job.needs) {
      const needed = byRun.get(run);
      if (needed !== undefined && !path.has(run)) column = Math.max(column, columnOf(needed, path) + 1);
    }
    columns.set(job.run, column);
    return column;
  };
  const rows = new Map<number, number>();
  return new Map(
    jobs.map((job) => {
      const column = columnOf(job, new Set());
      const row = rows.get(column) ?? 0;
      rows.set(column, row + 1);
      const x = 1 + column * (box.width + box.gapX);
      return [job.run, { job, x, y: 1 + row * (box.height + box.gapY) }];
    }),
  );
}
