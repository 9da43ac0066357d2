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
  runUrl,
  subjectOf,
  time,
  webLink,
} from '../../http/kit/parts.ts';
import {
  type Account,
  accountOf,
  foldHistory,
  ladderOf,
  type RunState,
} from '../../protocol/account/index.ts';
import { duration } from '../../protocol/base/quantity.ts';
import { shellWord } from '../../protocol/base/shell-word.ts';
import { signersText } from '../../protocol/wire/told-policy.ts';
import type { RunFacts } from '../machine/facts.ts';
import type { RunSummary, RunView } from '../node/project-view.ts';
import type { TestReport } from '../node/test-reports.ts';
import type { LogSource } from '../sessions/log-answers.ts';
import { agreement, filesThatDiffer } from './agreement.ts';
import { differencePart } from './difference.ts';
import { type FailedBuilds, failuresPart } from './failed-builds.ts';
import { graph } from './graph.ts';
import { jobsOf, matricesOf } from './jobs.ts';
import { pageLimits } from './limits.ts';
import { logUrl } from './log-page.ts';
import { testResultsPart } from './test-results.ts';

type Told = RunFacts['history'];

export function history(told: Told): Html {
  const shownMax = pageLimits.eventsShownMax;
  const shown = told.slice(-shownMax);
  return html`${shown.length < told.length ? html`<p class="quiet">The last ${shownMax} of ${told.length} events.</p>` : ''}
<ol class="history">${foldHistory(shown).map(({ at, says }) => html`<li>${time(at)}${textsOf(says)}</li>`)}</ol>`;
}

/** Events of one moment: the last, and the rest folded, where they are more than two lines. */
function textsOf(texts: readonly string[]): Html {
  if (texts.length <= 2) return html`<div>${texts.map((text) => html`<p>${text}</p>`)}</div>`;
  return html`<details><summary>${texts.at(-1)} <span class="quiet">and ${texts.length - 1} before it</span></summary>${texts.slice(0, -1).map((text) => html`<p>${text}</p>`)}</details>`;
}

export interface RunPageParts {
  run: RunView;
  /** Root key. */
  project: string;
  bootstrap: readonly string[];
  /** Logs that this reader may see. */
  logs: readonly LogSource[];
  failures: readonly FailedBuilds[];
  /** Results that a test put out. */
  tests?: TestReport | 'unread' | undefined;
  /** Some logs are not shown, since their round is sealed. */
  sealed: boolean;
  /** The artifact or reports; undefined where there is none, or it is not here. */
  files: Html | undefined;
  /** Files of results can be had here. */
  hasBytes: boolean;
  /** Of the page that verifies in the browser. */
  verifyPath: string | undefined;
}

export function runBody(parts: RunPageParts): Html {
  const { summary } = parts.run;
  return html`<h1>${named(summary.name, 80)}${summary.test === true ? html` <span class="quiet">test</span>` : ''}</h1>
${runParts(parts)}${aboutPart(parts.run)}`;
}

export function runParts(parts: RunPageParts): Html {
  const { run, hasBytes } = parts;
  return html`${statePart(parts)}${differencePart(run, hasBytes)}${testResultsPart(parts.tests)}${pipelinePart(run)}${agreementPart(parts)}${artifactPart(parts)}
<section data-part id="history"><h2>What happened</h2>${history(run.history)}</section>`;
}

function statePart({ run, failures }: RunPageParts): Html {
  const { summary } = run;
  const account = accountOf(summary);
  const { state, reason, next } = account;
  const took = summary.doneMs ?? summary.tookMs;
  return html`<section data-part id="state" class="state-of ${state}">
<p class="about">${subjectOf(summary)}${refLink(summary.ref)} <code>${foreign(summary.commit.slice(0, 10))}</code> <span>${time(summary.submittedAt)}</span>${took === undefined ? '' : html` <span>took ${duration(took)}</span>`} ${byWords({ ...summary, publisher: run.publisher })}</p>
<p class="says" role="status">${chip(summary)} ${foreign(reason, 600)}</p>${neededPart(run, account)}${firstDifferencePart(run, state)}${failuresPart(summary.run, failures)}${
    next.length === 0 ? '' : nextSteps(next)
  }${ladder(summary, account)}</section>`;
}

/** The job with which this one fell, or those for which it waits. */
function neededPart({ summary, pipeline }: RunView, { state }: Account): Html {
  const { fellWith, run: own } = summary;
  const jobOf = (id: string) => pipeline.find(({ run }) => run === id) ?? [];
  if (fellWith !== undefined)
    return html`<p>The job it needs: ${namedLink(runUrl(fellWith.run), fellWith.name)}</p>`;
  if (state !== 'waiting' && state !== 'provisional') return html``;
  const needed = pipeline.find(({ run }) => run === own)?.needs ?? [];
  const missing = needed.flatMap(({ run }) => jobOf(run)).filter((job) => accountOf(job).state !== 'trusted');
  if (missing.length === 0) return html``;
  return html`<ul class="needed" aria-label="Jobs that it needs">${missing.slice(0, pageLimits.jobsNamedMax).map((job) => html`<li>${chip(job)} ${namedLink(runUrl(job.run), job.name)}: ${foreign(accountOf(job).reason)}</li>`)}</ul>`;
}

function firstDifferencePart({ history: told }: RunView, state: RunState): Html {
  if (state !== 'disputed' && state !== 'differs') return html``;
  const { files, count } = filesThatDiffer(told);
  const [first] = files;
  if (first === undefined) return html``;
  return html`<p>First difference: <code>${foreign(first)}</code>${count > 1 ? html` <span class="quiet">and ${count - 1} more</span>` : ''}</p>`;
}

/** Steps of a run that may still be trusted, or is; the reason of its state, which stands above, is not said again. */
function ladder(summary: RunSummary, { state, reason }: Account): Html {
  const rungs = ladderOf(summary);
  if (rungs.length === 0) return html``;
  const shortened = (says: string) =>
    says === reason
      ? state
      : foreign(says.endsWith(` ${reason}`) ? says.slice(0, -reason.length - 1) : says, 300);
  return html`<ol class="ladder" aria-label="Levels">${rungs.map(
    ({ name, says, place }) =>
      html`<li class="${place}"${place === 'now' ? html` aria-current="step"` : ''}><strong>${place === 'reached' ? '✓ ' : ''}${name}</strong>${shortened(says)}</li>`,
  )}</ol>`;
}

function pipelinePart({ summary, pipeline }: RunView): Html {
  if (pipeline.length < 2) return html`<section data-part id="pipeline"></section>`;
  const drawing = graph(pipeline, summary.run);
  return html`<section data-part id="pipeline"><h2>Pipeline</h2>
${drawing === '' ? jobsOf(pipeline) : html`<div class="few">${jobsOf(pipeline)}</div>${drawing}`}${matricesOf(pipeline, summary.run)}</section>`;
}

function agreementPart({ run, logs, sealed }: RunPageParts): Html {
  const { summary, history: told } = run;
  const urls = new Map(logs.map((log) => [`${log.slot} ${log.worker}`, logUrl(summary.run, log.lease)]));
  const builds =
    summary.earlier === undefined
      ? agreement(told, accountOf(summary), ({ slot, worker }) => urls.get(`${slot} ${worker}`))
      : html`<p>It was not built: the same job was, for <a href="${runUrl(summary.earlier)}">an earlier run</a>, and the evidence of that one is enough.</p>`;
  return html`<section data-part id="agreement"><h2>Who agreed</h2>${builds}
${sealed ? html`<p class="quiet">The logs of a sealed round are for its publisher${run.over ? ', and this round was never revealed' : ' until it is revealed'}: they could tell one operator another's result.</p>` : ''}</section>`;
}

function artifactPart({ run, files, project, bootstrap, verifyPath }: RunPageParts): Html {
  const { artifact, reports, name, level } = run.summary;
  const tree = artifact ?? reports;
  // There is nothing to download of what does not stand any more.
  if (tree === undefined || accountOf(run.summary).state === 'revoked')
    return html`<section data-part id="artifact"></section>`;
  const what = artifact === null ? 'Reports' : 'Artifact';
  const first = bootstrap[0];
  const where = `--project ${project}${first === undefined ? '' : ` --bootstrap ${shellWord(first)}`}`;
  const folder = shellWord(name);
  return html`<section data-part id="artifact"><h2>${what}</h2>
${files ?? ''}
${
  artifact === null
    ? html`<h3>Fetch it</h3>${command(`quorate fetch ${run.summary.run} --reports -o ${folder} ${where}`)}`
    : html`<h3>Fetch and verify it</h3>
<p>What you download here is as good as this server. These commands trust the root key alone${verifyPath === undefined ? '' : html`, as does <a href="${verifyPath}#${new URLSearchParams(level === null ? { project } : { project, run: run.summary.run, artifact }).toString()}">verifying in your browser</a>`}.${level === 'trusted' ? '' : ' They refuse an artifact until it is trusted.'}</p>
${command(`quorate fetch ${artifact} -o ${folder} --bundle-out ${folder}.bundle ${where}`)}
${command(`quorate verify ${folder} --bundle ${folder}.bundle --project ${project}`)}`
}
<details><summary>CID</summary><p><code class="id">${tree}</code></p></details></section>`;
}

function aboutPart({ summary, publisher }: RunView): Html {
  const { repo, ref, commit, recipe, submittedAt, policy, job, run } = summary;
  return html`<section id="about"><h2>About this run</h2>
<dl class="facts"><dt>Source</dt><dd>${webLink(repo)} at ${refLink(ref)}</dd>
<dt>Commit</dt><dd><code class="id">${foreign(commit, 64)}</code></dd>
${recipe === undefined ? '' : html`<dt>Job file</dt><dd><code>${foreign(recipe.path, 200)}</code> of ${webLink(recipe.repo)}</dd>`}
<dt>Published</dt><dd>${time(submittedAt)}${publisher === '' ? '' : ` by ${foreign(publisher, 80)}`}</dd>
<dt>Policy</dt><dd>${policy.agree} of ${policy.of} operators agree${policy.cosign ? `, and ${signersText(policy)} signs` : ', without a co-signature'}</dd></dl>
<details><summary>Ids</summary><dl class="facts"><dt>Job</dt><dd><code class="id">${job}</code></dd><dt>Run</dt><dd><code class="id">${run}</code></dd></dl></details></section>`;
}
