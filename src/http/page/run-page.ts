import { html } from 'hono/html';
import { disputeText } from '../../core/controller/dispute-words.ts';
import type { LogSource } from '../../core/sessions/controller/log-answers.ts';
import type { RunSummary, RunView } from '../../runtime/controller/project-view.ts';
import { adviceFor } from './advice.ts';
import { graph } from './graph.ts';
import { history } from './history.ts';
import { logUrl } from './log-page.ts';
import { matrix } from './matrix.ts';
import { chip, remark, runUrl, stateOf } from './parts.ts';
import { command, foreign, type Html, refText, shellWord, time, webLink } from './text.ts';

/** What the page of a run shows besides the run. */
export interface RunPageParts {
  run: RunView;
  /** Root key. */
  project: string;
  bootstrap: readonly string[];
  /** Logs that this reader may see. */
  logs: readonly LogSource[];
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

/** The parts that change. */
export function runParts(parts: RunPageParts): Html {
  const { run } = parts;
  return html`${statePart(run)}${pipelinePart(run)}
<section data-part id="agreement"><h2>Who agreed</h2>${run.summary.earlier === undefined ? matrix(run.history) : html`<p>It was not built: the same job was, for <a href="${runUrl(run.summary.earlier)}">an earlier run</a>, and the evidence of that one is enough.</p>`}</section>
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

function statePart(run: RunView): Html {
  const { summary } = run;
  const says = remark(summary);
  return html`<section data-part id="state"><p role="status">${chip(summary)} ${says === '' ? '' : says}</p>${ladder(run)}${trouble(summary)}</section>`;
}

type Rung = 'reached' | 'now' | 'broken' | 'ahead';

/** How far the run has come: somebody built it, enough operators agree, it is trusted. */
function ladder({ summary, history: told }: RunView): Html {
  const built = told.some(({ progress }) => progress.kind === 'revealed' || progress.kind === 'answered');
  const { kind } = stateOf(summary);
  const { agree, of, cosign } = summary.policy;
  const broken = ['disputed', 'failed', 'revoked', 'cancelled'].includes(kind);
  const agreed = summary.level === 'agreed' || summary.level === 'trusted';
  const trusted = summary.level === 'trusted' && kind !== 'revoked';
  const next = (reached: boolean, before: boolean): Rung =>
    reached ? 'reached' : !before ? 'ahead' : broken ? 'broken' : 'now';
  const rungs: [string, string, Rung][] = [
    ['provisional', built ? 'was built' : 'is to be built', next(built, true)],
    ['agreed', `${agree} of ${of} operators built the same bytes`, next(agreed && kind !== 'revoked', built)],
    [
      'trusted',
      cosign ? 'the trusted worker built the same and signs' : 'witnesses signed the log',
      next(trusted, agreed),
    ],
  ];
  return html`<ol class="ladder">${rungs.map(
    ([name, says, rung]) =>
      html`<li class="${rung}"${rung === 'now' || rung === 'broken' ? html` aria-current="step"` : ''}><strong>${rung === 'reached' ? '✓ ' : rung === 'broken' ? '✗ ' : ''}${name}</strong>${says}</li>`,
  )}</ol>`;
}

function trouble({ reason, revoked, level, run, missing }: RunSummary): Html {
  if (revoked !== undefined)
    return html`<div class="notice bad"><p><strong>This does not stand any more.</strong> The ${foreign(revoked.what, 20)} <code class="id">${foreign(revoked.id, 120)}</code> was revoked from leaf ${revoked.since} of the log on: ${foreign(revoked.reason)}</p><p>Do not use the artifact. Publish the commit again to have it built by others: <code>quorate run --rebuild</code></p></div>`;
  if (reason !== undefined)
    return html`<div class="notice bad"><p><strong>Disputed: ${foreign(disputeText(reason))}.</strong> ${adviceFor(reason, run)}</p></div>`;
  if (level === 'failed')
    return html`<div class="notice bad"><p><strong>It failed alike at enough operators.</strong> The logs below say where.</p></div>`;
  if (missing !== undefined)
    return html`<div class="notice some"><p>It waits for witnesses of the log: ${missing.operators.length} of ${missing.operatorsNeeded} operators${missing.namedNeeded > 0 ? ` and ${missing.named.length} of ${missing.namedNeeded} named witnesses` : ''} have signed.</p></div>`;
  return html``;
}

function pipelinePart({ summary, pipeline }: RunView): Html {
  if (pipeline.length < 2) return html`<section data-part id="pipeline"></section>`;
  return html`<section data-part id="pipeline"><h2>Pipeline</h2>${graph(pipeline, summary.run)}</section>`;
}

function logsPart({ run, logs, sealed }: RunPageParts): Html {
  const { run: id } = run.summary;
  return html`<section data-part id="logs"><h2>Logs</h2>
${logs.length === 0 && !sealed ? html`<p class="quiet">None yet.</p>` : ''}
${sealed ? html`<p class="quiet">The logs of a sealed round are for its publisher until it is revealed: they could tell one operator another's result.</p>` : ''}
<ul>${logs.map(
    (build) =>
      html`<li><a href="${logUrl(id, build.lease)}">${foreign(build.operator, 80)}</a> <span class="quiet">${build.slot === 'trusted' ? 'trusted worker' : `slot ${Number(build.slot) + 1}`}${build.delivered ? '' : ', running'}</span></li>`,
  )}</ul></section>`;
}

function artifactPart({ run, files, project, bootstrap, verifyPath }: RunPageParts): Html {
  const { artifact, reports, name, level } = run.summary;
  const tree = artifact ?? reports;
  if (tree === null || tree === undefined) return html`<section data-part id="artifact"></section>`;
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
