import { html } from 'hono/html';
import {
  byWords,
  chip,
  command,
  foreign,
  type Html,
  named,
  namedLink,
  nextSteps,
  refLink,
  runTable,
  runUrl,
  subjectOf,
  time,
} from '../../http/kit/parts.ts';
import { accountOf, byAttention, headlineOf, pushMs, worstOf } from '../../protocol/account/index.ts';
import { isBad } from '../../protocol/account/whole-state.ts';
import { shortRef } from '../../protocol/base/git-ref.ts';
import { counted, duration } from '../../protocol/base/quantity.ts';
import { sayFullKey } from '../../protocol/trust/key-texts.ts';
import { oddsCells, oddsColumns, riskDefault, suspectsText } from '../../protocol/trust/odds-report.ts';
import { conditionsText } from '../../protocol/wire/told-policy.ts';
import { listStates } from '../machine/run-lists.ts';
import type { BranchView, PolicyView, ProjectView, PushView, ViewFilter } from '../node/project-view.ts';
import { jobsOf, matricesOf } from './jobs.ts';
import { pageLimits } from './limits.ts';

/** Parts of the project's page, each with an id by which it is replaced while the page is open. */
export function projectParts(view: ProjectView, branches: readonly BranchView[]): Html {
  const trouble = view.trouble();
  const told =
    branches.length === 0
      ? html`${voidPart(trouble)}${troublePart(view, trouble)}${startPart()}`
      : html`${voidPart(trouble)}${headlinePart(view.defaultBranch())}${troublePart(view, trouble)}${branchesPart(branches)}${pushesPart(view)}`;
  return html`${told}<div class="columns">${queuePart(view)}${workersPart(view)}</div>${policyPart(view.policy())}`;
}

export function projectBody(view: ProjectView, branches: readonly BranchView[]): Html {
  return html`<h1>${named(view.name, 80)}</h1>${projectParts(view, branches)}
<details class="about"><summary>Root key</summary><p>All that a consumer has to trust: <code class="id">${view.project}</code></p></details>`;
}

/** How the default branch stands, in one sentence, and the first thing to do about it. */
function headlinePart(branch: BranchView | undefined): Html {
  const { state, says } = headlineOf(branch);
  const worst = branch && worstOf(branch.jobs);
  if (branch === undefined || worst === undefined || state === undefined)
    return html`<section data-part id="headline"></section>`;
  const account = accountOf(worst);
  const [next] = account.next;
  const why = isBad(account.state) ? html` <a href="${runUrl(worst.run)}">See why</a>` : '';
  return html`<section data-part id="headline" class="state-of ${state}"><p class="says" role="status">${chip(worst)} ${foreign(says, 600)}.${why}</p>
<p class="about">${subjectOf(branch)}<a href="${runUrl(worst.run)}">${foreign(worst.name, 80)}</a> ${refLink(branch.ref)} <code>${foreign(branch.commit.slice(0, 10))}</code> ${time(branch.submittedAt)}</p>
${next === undefined ? '' : nextSteps([next])}</section>`;
}

/** The next steps in a project of which nothing was published. */
function startPart(): Html {
  return html`<section data-part id="start"><h2>Nothing was published yet</h2>
<ol class="begin">
<li><strong>Invite those who lend machines.</strong> The command prints a ticket for each, to hand over; the example of quorate init asks for three.${command('quorate invite alice bob carol')}</li>
<li><strong>Have your own trusted worker join.</strong> On the machine that is to co-sign, the first command prints its key; the second, where the root key is, a ticket for it.${command('quorate key')}${command('quorate invite me --role trusted-worker --key KEY')}</li>
<li><strong>Publish a commit.</strong> In the repository, with quorate.yaml pushed:${command('quorate run')}</li>
</ol></section>`;
}

function branchesPart(branches: readonly BranchView[]): Html {
  const sorted = byAttention(branches);
  const max = pageLimits.branchesShownMax;
  const [shown, more] = [sorted.slice(0, max), sorted.slice(max)];
  return html`<section data-part id="branches"><h2>Branches and tags <span class="quiet">${branches.length}</span></h2>
${branchTable(shown)}
${more.length === 0 ? '' : html`<details><summary>${more.length} more</summary>${branchTable(more)}</details>`}</section>`;
}

const branchTable = (branches: readonly BranchView[]): Html =>
  html`<table class="list branches" aria-label="Branches and tags">
<thead><tr><th scope="col">State</th><th scope="col">Branch</th><th scope="col">Why</th><th scope="col">Commit</th><th scope="col">Published</th></tr></thead>
<tbody>${branches.map(branchRow)}</tbody></table>`;

function branchRow({ ref, commit, submittedAt, jobs }: BranchView): Html {
  const worst = worstOf(jobs);
  if (worst === undefined) return html``;
  return html`<tr><td>${chip(worst)}</td>
<th scope="row">${refLink(ref)}</th>
<td class="why">${namedLink(runUrl(worst.run), worst.name)}${jobs.length > 1 ? ` of ${jobs.length}` : ''}: ${foreign(accountOf(worst).reason)}</td>
<td><code>${foreign(commit.slice(0, 10))}</code></td>
<td>${time(submittedAt)}</td></tr>`;
}

function pushesPart(view: ProjectView): Html {
  const { pushes } = view.pushes({});
  return html`<section data-part id="latest"><h2>Pushes</h2>
${pushList(pushes.slice(0, pageLimits.pushesShownMax))}
<p><a href="/runs">All pushes</a></p></section>`;
}

const pushList = (pushes: readonly PushView[]): Html =>
  pushes.length === 0
    ? html`<p class="quiet">None.</p>`
    : html`<ol class="pushes">${pushes.map(pushItem)}</ol>`;

/** A push with the state of its worst job, which its subject leads to. */
function pushItem(push: PushView): Html {
  const { ref, commit, submittedAt, jobs, subject } = push;
  const worst = worstOf(jobs);
  if (worst === undefined) return html``;
  const matrices = matricesOf(jobs);
  const ms = pushMs(jobs);
  return html`<li>${chip(worst)}<div><p class="subject"><a href="${runUrl(worst.run)}">${foreign(subject ?? (jobs.length === 1 ? worst.name : `${jobs.length} jobs`))}</a></p>
<p class="about">${refLink(ref)} <code>${foreign(commit.slice(0, 10))}</code> ${time(submittedAt)}${ms === undefined ? '' : html` <span>took ${duration(ms)}</span>`} ${byWords(push)}</p></div>
<div>${jobs.length < 2 ? '' : jobsOf(jobs)}${matrices === '' ? '' : html`<details><summary>By the axes of the matrix</summary>${matrices}</details>`}</div></li>`;
}

function queuePart(view: ProjectView): Html {
  const queue = view.queue();
  const { open } = view.counts();
  return html`<section data-part id="queue"><h2>Queue <span class="quiet">${open}</span></h2>
${queue.length === 0 ? html`<p class="quiet">No run is open.</p>` : ''}
<table class="list queue" aria-label="Queue"><tbody>${queue.slice(0, 20).map(
    ({ summary, building }) => html`<tr><td>${chip(summary)}</td>
<th scope="row">${namedLink(runUrl(summary.run), summary.name)} <span class="quiet">${named(shortRef(summary.ref))}</span></th>
<td class="why">${building.length === 0 ? foreign(accountOf(summary).reason) : `built by ${foreign(building.join(', '))}`}</td></tr>`,
  )}</tbody></table>${open > 20 ? html`<p><a href="/runs?state=open">All ${open}</a></p>` : ''}</section>`;
}

function workersPart(view: ProjectView): Html {
  const { shown, count } = view.workers();
  return html`<section data-part id="workers"><h2>Workers <span class="quiet">${count}</span></h2>
${
  count === 0
    ? html`<p class="quiet">No worker is connected.</p>`
    : html`<table class="list workers" aria-label="Workers"><thead><tr><th scope="col">State</th><th scope="col">Operator</th><th scope="col">Machine</th></tr></thead><tbody>${shown.map(
        ({
          operator,
          trusted,
          id,
          arch,
          tiers,
          builds,
          behind,
        }) => html`<tr><td>${builds === 0 ? html`<span class="chip">idle</span>` : html`<span class="chip building">${counted(builds, 'build')}</span>`}</td>
<th scope="row">${named(operator)}${trusted ? html` <span class="chip trusted">trusted</span>` : ''}</th>
<td class="why">${arch} ${tiers.join(', ')} <code class="quiet">…${id}</code>${behind === null ? '' : html`<p class="bad">It ${foreign(behind, 500)}.</p>`}</td></tr>`,
      )}</tbody></table>`
}</section>`;
}

type Trouble = ReturnType<ProjectView['trouble']>;

/** Evidence against the log, above what it seems to say. */
const voidPart = ({ equivocations }: Trouble): Html =>
  html`<section data-part id="void" aria-label="The log">${equivocations.map(
    (says) =>
      html`<div class="notice bad"><p><strong>The log tells two stories.</strong> ${foreign(says, 600)}. Workers take no jobs of this project any more.</p></div>`,
  )}</section>`;

function troublePart(view: ProjectView, trouble: Trouble): Html {
  const { alarms, revoked, revocations, fullKeys, full, declined } = trouble;
  const notices = [
    ...fullKeys.map(
      (key) =>
        html`<div class="notice bad"><p><strong>A key has signed all it may.</strong> ${foreign(sayFullKey(key), 600)}.</p></div>`,
    ),
    full === null
      ? ''
      : html`<div class="notice some"><p><strong>No more members can connect:</strong> ${foreign(full, 600)}.</p></div>`,
    alarms.count === 0
      ? ''
      : html`<div class="notice bad"><p><strong>Alarm: in ${counted(alarms.count, 'run')} somebody built something else.</strong> ${alarms.runs.slice(0, 3).map((run, at) => html`${at === 0 ? '' : '· '}${namedLink(runUrl(run.run), run.name)} of ${named(shortRef(run.ref))} `)}${view.counts().disputed === 0 ? '' : html`<a href="/runs?state=disputed">All disputed</a>`}</p></div>`,
    revoked.count === 0
      ? ''
      : html`<div class="notice bad"><p><strong>${counted(revoked.count, 'run')} no longer ${revoked.count === 1 ? 'stands' : 'stand'},</strong> because something was revoked. <a href="/runs?state=revoked">Which</a></p></div>`,
    revocations.length === 0
      ? ''
      : html`<details class="notice"><summary>Revocations</summary><ul>${revocations.map(({ what, id, since, reason }) => html`<li>${foreign(what, 20)} <code class="id">${foreign(id, 120)}</code> from leaf ${since} on: ${foreign(reason)}</li>`)}</ul></details>`,
    declined.length === 0
      ? ''
      : html`<details class="notice some"><summary>Operators that decline open jobs</summary><ul>${declined.map(({ operator, reason }) => html`<li>${foreign(operator, 80)}: ${foreign(reason)}</li>`)}</ul></details>`,
  ];
  return html`<section data-part id="trouble" aria-label="Trouble">${notices}</section>`;
}

const oddsShown = oddsColumns(riskDefault).slice(0, -1);

/** Attacks that the floors of the project hold against, by figures. */
function policyPart(view: PolicyView | undefined): Html {
  if (view === undefined) return html`<section data-part id="policy"></section>`;
  const { operators, floors } = view;
  return html`<section data-part id="policy"><h2>Policy <span class="quiet">by figures</span></h2>
<p>The odds where a share of the <strong>${counted(operators, 'operator')}</strong> acts as one party and delivers the same false result. How many operators there are is the controller's word.</p>
${floors.map((floor) => floorTable(floor, floors.length > 1))}
<dl class="facts">${oddsShown.map(([name, says]) => html`<dt>${name}</dt><dd>${says}</dd>`)}</dl>
<details><summary>Other policies, and what the figures leave out</summary>${command(`quorate policy --operators ${operators} --suspect 20%`)}</details></section>`;
}

function floorTable({ of, policy, shares }: PolicyView['floors'][number], several: boolean): Html {
  const jobs = of === 'tests' ? 'Tests' : several ? 'Jobs other than tests' : 'All jobs';
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${jobs}"><table class="odds"><caption>${jobs} need at least ${conditionsText(policy)}, in ${counted(policy.rounds, 'round')} at most</caption>
<thead><tr><th scope="col">suspects</th>${oddsShown.map(([name]) => html`<th scope="col" class="number">${name}</th>`)}</tr></thead>
<tbody>${shares.map((one) => html`<tr><th scope="row">${suspectsText(one)}</th>${oddsCells(one.odds).map((cell) => html`<td class="number">${cell}</td>`)}</tr>`)}</tbody></table></div>`;
}

/** Pushes, or the runs of a job or in a state, with their filter. */
export function runsBody(view: ProjectView, filter: ViewFilter, before: number | undefined): Html {
  const isOfRuns = filter.name !== undefined || filter.listState !== undefined;
  const { list, next } = isOfRuns ? runsAsked(view, filter, before) : pushesAsked(view, filter, before);
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
<label>Branch or tag<input name="ref" value="${foreign((filter.ref ?? '').replace(/^refs\/heads\//, ''))}" maxlength="300" spellcheck="false" autocapitalize="off"></label>
<label>Job<input name="job" value="${foreign(filter.name ?? '')}" maxlength="64" spellcheck="false" autocapitalize="off"></label>
<button>Show</button></form>
${list}
<div class="pages">${before === undefined ? '' : html`<a href="/runs?${query({})}">Newest</a>`}${next === undefined ? '' : html`<a href="/runs?${query({ before: String(next) })}" rel="next">Older</a>`}</div>`;
}

function runsAsked(view: ProjectView, filter: ViewFilter, before: number | undefined) {
  const { runs, next } = view.runs(filter, before);
  return { list: runTable(runs, 'Runs'), next };
}

function pushesAsked(view: ProjectView, filter: ViewFilter, before: number | undefined) {
  const { pushes, next } = view.pushes(filter, before);
  return { list: pushList(pushes), next };
}
