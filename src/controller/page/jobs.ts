import { html } from 'hono/html';
import { foreign, type Html, runUrl } from '../../http/kit/parts.ts';
import { type AccountFacts, accountLine, accountOf, type RunState } from '../../protocol/account/index.ts';
import { isBad, rankOf } from '../../protocol/account/whole-state.ts';
import { gridOf, groupsOf, type JobGroup } from './axes.ts';
import { pageLimits } from './limits.ts';

type ShownJob = AccountFacts & { run: string; name: string };

/** A job as its name in the colour of its state, or as its state alone. */
function jobChip(job: ShownJob, text: string, here?: string): Html {
  const account = accountOf(job);
  const current = job.run === here ? html` aria-current="page"` : '';
  return html`<a href="${runUrl(job.run)}" class="chip ${account.state}" title="${foreign(accountLine(account))}" aria-label="${foreign(job.name, 80)}, ${account.state}"${current}>${text}</a>`;
}

const namedChip = (job: ShownJob): Html => html`${jobChip(job, foreign(job.name, 80))} `;

/** How many jobs are in each state, the worst first. */
export function statesOf(jobs: readonly AccountFacts[]): [state: RunState, count: number][] {
  const counts = new Map<RunState, number>();
  for (const job of jobs) {
    const { state } = accountOf(job);
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return [...counts].sort(([a], [b]) => rankOf(a) - rankOf(b));
}

/** The jobs of a push: each by its name where they are few, else how many there are of each state, and the names of those that are bad. */
export function jobsOf(jobs: readonly ShownJob[]): Html {
  if (jobs.length <= pageLimits.jobsNamedMax) return html`<p class="jobs">${jobs.map(namedChip)}</p>`;
  const bad = jobs.filter((job) => isBad(accountOf(job).state));
  const shown = bad.slice(0, pageLimits.jobsNamedMax);
  const more = bad.length - shown.length;
  return html`<p class="jobs">${jobs.length} jobs: ${statesOf(jobs).map(([state, count]) => html`<span class="chip ${state}">${count} ${state}</span> `)}</p>
${bad.length === 0 ? '' : html`<p class="jobs">${shown.map(namedChip)}${more > 0 ? html`<span class="quiet">and ${more} more</span>` : ''}</p>`}`;
}

/** The matrices among some jobs, each as a grid by its axes; one of a single axis as its values. `here`: the run of the page. */
export function matricesOf(jobs: readonly ShownJob[], here?: string): Html | '' {
  const matrices = groupsOf(jobs).filter(({ isMatrix }) => isMatrix);
  return matrices.length === 0 ? '' : html`${matrices.map((group) => matrixOf(group, here))}`;
}

function matrixOf(group: JobGroup<ShownJob>, here: string | undefined): Html {
  const grid = gridOf(group);
  const name = foreign(group.name, 80);
  if (grid === undefined)
    return html`<p class="jobs"><strong>${name}</strong> ${group.jobs.map((job) => html`${jobChip(job, foreign(job.name.slice(group.name.length + 1) || job.name, 80), here)} `)}</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Jobs of ${name}"><table class="grid">
<thead><tr><th scope="col">${name}</th>${grid.columns.map((column) => html`<th scope="col">${foreign(column, 40)}</th>`)}</tr></thead>
<tbody>${grid.rows.map(
    (row) =>
      html`<tr><th scope="row">${foreign(row.name, 80)}</th>${row.cells.map((job) => html`<td>${job === undefined ? '' : jobChip(job, '', here)}</td>`)}</tr>`,
  )}</tbody></table></div>`;
}
