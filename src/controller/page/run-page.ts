import { html } from 'hono/html';
import {
  chip,
  command,
  foreign,
  type Html,
  refText,
  runUrl,
  shellWord,
  time,
  webLink,
} from '../../http/kit/parts.ts';
import { type Account, accountOf, eventText, type RunState } from '../../protocol/account/index.ts';
import type { RunFacts } from '../machine/facts.ts';
import type { RunSummary, RunView } from '../node/project-view.ts';
import type { LogSource } from '../sessions/log-answers.ts';
import { type FailedBuilds, failuresPart } from './failed-builds.ts';
import { graph } from './graph.ts';
import { pageLimits } from './limits.ts';
import { logUrl } from './log-page.ts';
import { matrix } from './matrix.ts';

export function history(told: RunFacts['history']): Html {
  const shownMax = pageLimits.eventsShownMax;
  const shown = told.slice(-shownMax);
  return html`${shown.length < told.length ? html`<p class="quiet">The last ${shownMax} of ${told.length} events.</p>` : ''}
<ol class="history">${shown.map(({ at, progress }) => html`<li>${time(at)}<span>${eventText(progress)}</span></li>`)}</ol>`;
}

export interface RunPageParts {
  run: RunView;
  /** Root key. */
  project: string;
  bootstrap: readonly string[];
  /** Logs that this reader may see. */
  logs: readonly LogSource[];
  failures: readonly FailedBuilds[];
  /** Some logs are not shown, since their round is sealed. */
  sealed: boolean;
  /** The artifact or reports; undefined where there is none, or it is not here. */
  files: Html | undefined;
  /** Of the page that verifies in the browser. */
  verifyPath: string | undefined;
}

export function runBody(parts: RunPageParts): Html {
  return html`${headPart(parts.run)}${runParts(parts)}`;
}

export function runParts(parts: RunPageParts): Html {
  const { run } = parts;
  return html`${statePart(run)}${failuresPart(run.summary.run, parts.failures)}${pipelinePart(run)}
<section data-part id="agreement"><h2>Who agreed</h2>${run.summary.earlier === undefined ? matrix(run.history, accountOf(run.summary)) : html`<p>It was not built: the same job was, for <a href="${runUrl(run.summary.earlier)}">an earlier run</a>, and the evidence of that one is enough.</p>`}</section>
${logsPart(parts)}${artifactPart(parts)}
<section data-part id="history"><h2>What happened</h2>${history(run.history)}</section>`;
}

function headPart({ summary, publisher }: RunView): Html {
  const { repo, ref, commit, recipe, submittedAt, policy, job, run } = summary;
  return html`<h1>${foreign(summary.name, 80)}${summary.test === true ? html` <span class="quiet">test</span>` : ''}</h1>
<dl class="facts"><dt>Source</dt><dd>${webLink(repo)} at <a href="/runs?ref=${encodeURIComponent(ref)}">${refText(ref)}</a>, commit <code>${foreign(commit, 64)}</code></dd>
${recipe === undefined ? '' : html`<dt>Job file</dt><dd><code>${foreign(recipe.path, 200)}</code> of ${webLink(recipe.repo)}</dd>`}
<dt>Published</dt><dd>${time(submittedAt)}${publisher === '' ? '' : ` by ${foreign(publisher, 80)}`}</dd>
<dt>Policy</dt><dd>${policy.agree} of ${policy.of} operators agree${policy.cosign ? ', and the trusted worker signs' : ', without a co-signature'}</dd>
<dt>Job</dt><dd><code class="id">${job}</code></dd><dt>Run</dt><dd><code class="id">${run}</code></dd></dl>`;
}

function statePart({ summary }: RunView): Html {
  const account = accountOf(summary);
  const { reason, next } = account;
  const text = foreign(reason, 600);
  const kind = bad.has(account.state) ? 'bad' : account.alarm ? 'bad' : 'some';
  const steps = html`<ol class="next">${next.map(({ says, command: line }) => html`<li>${foreign(says, 600)}${line === undefined ? '' : html`: <code>${foreign(line, 300)}</code>`}</li>`)}</ol>`;
  return html`<section data-part id="state"><p role="status">${chip(summary)} ${text}</p>${ladder(summary, account)}${
    next.length === 0
      ? ''
      : html`<div class="notice ${kind}"><p><strong>What to do</strong></p>${steps}</div>`
  }</section>`;
}

const bad: ReadonlySet<RunState> = new Set([
  'differs',
  'failed',
  'aborted',
  'disputed',
  'unfinished',
  'lost',
  'revoked',
]);
/** States on the way to `trusted`. */
const rising: ReadonlySet<RunState> = new Set([
  ...(['waiting', 'building', 'sealed', 'provisional', 'agreed', 'trusted'] as const),
]);

/** Steps of a run that may still be trusted, or is: built, agreed, trusted. */
function ladder({ policy, level, tally, earlier }: RunSummary, { state }: Account): Html {
  if (!rising.has(state)) return html``;
  const wasBuilt = (tally?.ended ?? 0) > 0 || earlier !== undefined || level !== null;
  const agreed = level === 'agreed' || level === 'trusted';
  const rungs: [name: string, says: string, reached: boolean][] = [
    ['provisional', wasBuilt ? 'was built' : 'is to be built', wasBuilt],
    ['agreed', `${policy.agree} of ${policy.of} operators built the same bytes`, agreed],
    [
      'trusted',
      policy.cosign ? 'the trusted worker built the same and signs' : 'witnesses signed the log',
      level === 'trusted',
    ],
  ];
  const now = rungs.findIndex(([, , reached]) => !reached);
  return html`<ol class="ladder">${rungs.map(
    ([name, says, reached], at) =>
      html`<li class="${reached ? 'reached' : at === now ? 'now' : 'ahead'}"${at === now ? html` aria-current="step"` : ''}><strong>${reached ? '✓ ' : ''}${name}</strong>${says}</li>`,
  )}</ol>`;
}

function pipelinePart({ summary, pipeline }: RunView): Html {
  if (pipeline.length < 2) return html`<section data-part id="pipeline"></section>`;
  return html`<section data-part id="pipeline"><h2>Pipeline</h2>${graph(pipeline, summary.run)}</section>`;
}

function logsPart({ run, logs, sealed }: RunPageParts): Html {
  const { run: id } = run.summary;
  return html`<section data-part id="logs"><h2>Logs</h2>
${logs.length === 0 && !sealed ? html`<p class="quiet">None yet.</p>` : ''}
${sealed ? html`<p class="quiet">The logs of a sealed round are for its publisher${run.over ? ', and this round was never revealed' : ' until it is revealed'}: they could tell one operator another's result.</p>` : ''}
<ul>${logs.map(
    (build) =>
      html`<li><a href="${logUrl(id, build.lease)}">${foreign(build.operator, 80)}</a> <span class="quiet">${build.slot === 'trusted' ? 'trusted worker' : `slot ${Number(build.slot) + 1}`}${build.delivered ? '' : ', running'}</span></li>`,
  )}</ul></section>`;
}

function artifactPart({ run, files, project, bootstrap, verifyPath }: RunPageParts): Html {
  const { artifact, reports, name, level } = run.summary;
  const tree = artifact ?? reports;
  if (tree === undefined) return html`<section data-part id="artifact"></section>`;
  const what = artifact === null ? 'Reports' : 'Artifact';
  const first = bootstrap[0];
  const where = `--project ${project}${first === undefined ? '' : ` --bootstrap ${shellWord(first)}`}`;
  const folder = shellWord(name);
  return html`<section data-part id="artifact"><h2>${what}</h2>
<p><code class="id">${tree}</code></p>
${files ?? ''}
${
  artifact === null
    ? html`<h3>Fetch it</h3>${command(`quorate fetch ${run.summary.run} --reports -o ${folder} ${where}`)}`
    : html`<h3>Fetch and verify it</h3>
<p>What you download here is as good as this server. These commands trust the root key alone${verifyPath === undefined ? '' : html`, as does <a href="${verifyPath}">verifying in your browser</a>`}.${level === 'trusted' ? '' : ' They refuse an artifact until it is trusted.'}</p>
${command(`quorate fetch ${artifact} -o ${folder} --bundle-out ${folder}.bundle ${where}`)}
${command(`quorate verify ${folder} --bundle ${folder}.bundle --project ${project}`)}`
}</section>`;
}
