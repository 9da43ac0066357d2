import { html } from 'hono/html';
import { chip, foreign, type Html, refText, runTable, runUrl, time } from '../../http/kit/parts.ts';
import { accountLine, accountOf, worstOf } from '../../protocol/account/index.ts';
import { counted } from '../../protocol/base/quantity.ts';
import { sayFullKey } from '../../protocol/trust/key-texts.ts';
import { type ListState, listStates } from '../machine/run-lists.ts';
import type { BranchView, ProjectView, RunPage } from '../node/project-view.ts';

/** Parts of the project's page, each with an id by which it is replaced while the page is open. */
export function projectParts(view: ProjectView, branches: readonly BranchView[] = view.branches()): Html {
  return html`${troublePart(view)}${branchesPart(branches)}
<div class="columns">${queuePart(view)}${workersPart(view)}</div>
<section data-part id="latest"><h2>Latest runs</h2>${runTable(view.runs({}).runs.slice(0, 15), 'Latest runs')}<p><a href="/runs">All runs</a></p></section>`;
}

export function projectBody(view: ProjectView, branches: readonly BranchView[]): Html {
  return html`<h1>${foreign(view.name, 80)}</h1><p class="quiet">Root key <code class="id">${view.project}</code></p>${projectParts(view, branches)}`;
}

function branchesPart(branches: readonly BranchView[]): Html {
  return html`<section data-part id="branches"><h2>Branches and tags</h2>
${branches.length === 0 ? html`<p class="quiet">Nothing was published yet. <code>quorate run</code> publishes a commit.</p>` : ''}
<div class="scroll" tabindex="0" role="region" aria-label="Branches and tags"><table>
<thead><tr><th scope="col">Ref</th><th scope="col">State</th><th scope="col">Commit</th><th scope="col">Jobs</th><th scope="col">Published</th></tr></thead>
<tbody>${branches.map(branchRow)}</tbody></table></div></section>`;
}

function branchRow({ ref, commit, jobs, submittedAt }: BranchView): Html {
  const worst = worstOf(jobs);
  return html`<tr><th scope="row"><a href="/runs?ref=${encodeURIComponent(ref)}">${refText(ref)}</a></th>
<td class="narrow">${worst === undefined ? '' : chip(worst)}</td>
<td class="narrow"><code>${foreign(commit.slice(0, 10))}</code></td>
<td>${jobs.slice(0, 12).map((job) => html`<a href="${runUrl(job.run)}" class="chip ${accountOf(job).state}" title="${foreign(accountLine(accountOf(job)))}">${foreign(job.name, 40)}</a> `)}${jobs.length > 12 ? html`<span class="quiet">and ${jobs.length - 12} more</span>` : ''}</td>
<td class="narrow">${time(submittedAt)}</td></tr>`;
}

function queuePart(view: ProjectView): Html {
  const queue = view.queue();
  const { open } = view.counts();
  return html`<section data-part id="queue"><h2>Queue <span class="quiet">${open}</span></h2>
${queue.length === 0 ? html`<p class="quiet">No run is open.</p>` : ''}
<table><tbody>${queue.slice(0, 20).map(
    ({ summary, building }) => html`<tr><td class="narrow">${chip(summary)}</td>
<td><a href="${runUrl(summary.run)}">${foreign(summary.name, 80)}</a> <span class="quiet">${refText(summary.ref)}</span></td>
<td>${building.length === 0 ? '' : `built by ${foreign(building.join(', '))}`}</td></tr>`,
  )}</tbody></table>${open > 20 ? html`<p><a href="/runs?state=open">All ${open}</a></p>` : ''}</section>`;
}

function workersPart(view: ProjectView): Html {
  const { shown, count } = view.workers();
  return html`<section data-part id="workers"><h2>Workers <span class="quiet">${count}</span></h2>
${count === 0 ? html`<p class="quiet">No worker is connected.</p>` : ''}
<table><thead class="${count === 0 ? 'none' : ''}"><tr><th scope="col">Operator</th><th scope="col">Worker</th><th scope="col">Sandboxes</th><th scope="col" class="number">Builds</th></tr></thead><tbody>${shown.map(
    ({
      operator,
      trusted,
      id,
      arch,
      tiers,
      builds,
      behind,
    }) => html`<tr><td>${foreign(operator, 80)}${trusted ? html` <span class="chip trusted">trusted</span>` : ''}</td>
<td class="narrow"><code>…${id}</code></td><td>${arch} ${tiers.join(', ')}${behind === null ? '' : html`<p class="bad">It ${foreign(behind, 500)}.</p>`}</td><td class="number">${builds}</td></tr>`,
  )}</tbody></table></section>`;
}

function troublePart(view: ProjectView): Html {
  const { alarms, revoked, revocations, equivocations, fullKeys, full, declined } = view.trouble();
  const notices = [
    ...equivocations.map(
      (says) =>
        html`<div class="notice bad"><p><strong>The log tells two stories.</strong> ${foreign(says, 600)}. Workers take no jobs of this project any more.</p></div>`,
    ),
    ...fullKeys.map(
      (key) =>
        html`<div class="notice bad"><p><strong>A key has signed all it may.</strong> ${foreign(sayFullKey(key), 600)}.</p></div>`,
    ),
    full === null
      ? ''
      : html`<div class="notice some"><p><strong>No more members can connect:</strong> ${foreign(full, 600)}.</p></div>`,
    alarms.count === 0
      ? ''
      : html`<div class="notice bad"><p><strong>Alarm: in ${counted(alarms.count, 'run')} somebody built something else.</strong> ${alarms.runs.slice(0, 3).map((run) => html`<a href="${runUrl(run.run)}">${foreign(run.name, 80)}</a> ${refText(run.ref)} · `)}${view.counts().disputed === 0 ? '' : html`<a href="/runs?state=disputed">all disputed</a>`}</p></div>`,
    revoked.count === 0
      ? ''
      : html`<div class="notice bad"><p><strong>${revoked.count} do not stand any more,</strong> because something was revoked. <a href="/runs?state=revoked">Which</a></p></div>`,
    revocations.length === 0
      ? ''
      : html`<details class="notice"><summary>Revocations</summary><ul>${revocations.map(({ what, id, since, reason }) => html`<li>${foreign(what, 20)} <code class="id">${foreign(id, 120)}</code> from leaf ${since} on: ${foreign(reason)}</li>`)}</ul></details>`,
    declined.length === 0
      ? ''
      : html`<details class="notice some"><summary>Operators that decline open jobs</summary><ul>${declined.map(({ operator, reason }) => html`<li>${foreign(operator, 80)}: ${foreign(reason)}</li>`)}</ul></details>`,
  ];
  return html`<section data-part id="trouble" aria-label="Trouble">${notices}</section>`;
}

/** A list of runs with its filter. */
export function runsBody(
  view: ProjectView,
  filter: { ref?: string | undefined; name?: string | undefined; listState?: ListState | undefined },
  { runs, next }: RunPage,
  first: boolean,
): Html {
  const counts = view.counts();
  const query = (more: Record<string, string>) =>
    new URLSearchParams({
      ...(filter.ref !== undefined && { ref: filter.ref }),
      ...(filter.name !== undefined && { job: filter.name }),
      ...(filter.listState !== undefined && { state: filter.listState }),
      ...more,
    }).toString();
  return html`<h1>Runs <span class="quiet">${counts.all}</span></h1>
<form class="filter" action="/runs" method="get">
<label>State<select name="state"><option value="">any</option>${listStates.map((one) => html`<option value="${one}"${filter.listState === one ? html` selected` : ''}>${one} (${counts[one]})</option>`)}</select></label>
<label>Ref<input name="ref" value="${foreign(filter.ref ?? '')}" maxlength="300" spellcheck="false" autocapitalize="off"></label>
<label>Job<input name="job" value="${foreign(filter.name ?? '')}" maxlength="64" spellcheck="false" autocapitalize="off"></label>
<button>Show</button></form>
${runTable(runs, 'Runs')}
<div class="pages">${first ? '' : html`<a href="/runs?${query({})}">Newest</a>`}${next === undefined ? '' : html`<a href="/runs?${query({ before: String(next) })}" rel="next">Older</a>`}</div>`;
}
