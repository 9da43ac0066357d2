import { html } from 'hono/html';
import { foreign, type Html, runUrl } from '../../http/kit/parts.ts';
import { type AccountFacts, accountLine, accountOf, type RunState } from '../../protocol/account/index.ts';
import { isBad, rankOf } from '../../protocol/account/whole-state.ts';
import { pageLimits } from './limits.ts';

type Job = AccountFacts & { run: string; name: string };

/** A job as its name in the colour of its state. */
function jobChip(job: Job): Html {
  const account = accountOf(job);
  const name = foreign(job.name, 80);
  return html`<a href="${runUrl(job.run)}" class="chip ${account.state}" title="${foreign(accountLine(account))}" aria-label="${name}, ${account.state}">${name}</a> `;
}

/** The jobs of a push: each by its name where they are few, else how many there are of each state, and the names of those that are bad. */
export function jobsOf(jobs: readonly Job[]): Html {
  if (jobs.length <= pageLimits.jobsNamedMax)
    return html`<div><p class="jobs">${jobs.map(jobChip)}</p></div>`;
  const counts = new Map<RunState, number>();
  for (const job of jobs) {
    const { state } = accountOf(job);
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([a], [b]) => rankOf(a) - rankOf(b));
  const bad = jobs.filter((job) => isBad(accountOf(job).state));
  const shown = bad.slice(0, pageLimits.jobsNamedMax);
  const more = bad.length - shown.length;
  return html`<div><p class="jobs">${jobs.length} jobs: ${sorted.map(([state, count]) => html`<span class="chip ${state}">${count} ${state}</span> `)}</p>
${bad.length === 0 ? '' : html`<p class="jobs">${shown.map(jobChip)}${more > 0 ? html`<span class="quiet">and ${more} more</span>` : ''}</p>`}</div>`;
}
