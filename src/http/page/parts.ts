import { html } from 'hono/html';
import { disputeText } from '../../core/controller/dispute-words.ts';
import type { RunSummary } from '../../runtime/controller/project-view.ts';
import { foreign, type Html, refText, shortId, time } from './text.ts';

/** What a run or a job of a pipeline is shown as: its level, or what it does. */
export function stateOf(run: { state: string; level: string | null; revoked?: unknown }): {
  kind: string;
  text: string;
} {
  if (run.revoked !== undefined) return { kind: 'revoked', text: 'revoked' };
  if (run.state === 'cancelled') return { kind: 'cancelled', text: 'cancelled' };
  if (run.level === 'agreed' && run.state !== 'done') return { kind: 'agreed', text: 'agreed' };
  if (run.level !== null) return { kind: run.level, text: run.level };
  return { kind: 'open', text: foreign(run.state, 40) };
}

export function chip(run: Parameters<typeof stateOf>[0]): Html {
  const { kind, text } = stateOf(run);
  return html`<span class="chip ${kind}">${text}</span>`;
}

/** Why a run has no agreement, or what its level leaves out. */
export function remark({ reason, cosigned, alarming, revoked }: RunSummary): string {
  if (revoked !== undefined) return foreign(`${revoked.what} revoked: ${revoked.reason}`);
  if (reason !== undefined) return foreign(disputeText(reason));
  if (alarming === true) return 'results were in dispute';
  return cosigned === false ? 'without a co-signature' : '';
}

export const runUrl = (run: string): string => `/runs/${run}`;

/** A list of runs. */
export function runTable(runs: readonly RunSummary[], caption: string): Html {
  if (runs.length === 0) return html`<p class="quiet">None.</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table>
<thead><tr><th scope="col">State</th><th scope="col">Job</th><th scope="col">Ref</th><th scope="col">Commit</th><th scope="col">Published</th><th scope="col">Remark</th></tr></thead>
<tbody>${runs.map(
    (run) => html`<tr>
<td class="narrow">${chip(run)}</td>
<td><a href="${runUrl(run.run)}">${foreign(run.name, 80)}</a>${run.test === true ? html` <span class="quiet">test</span>` : ''}</td>
<td>${refText(run.ref)}</td>
<td class="narrow"><code>${foreign(run.commit.slice(0, 10))}</code></td>
<td class="narrow">${time(run.submittedAt)}</td>
<td>${remark(run)}</td>
</tr>`,
  )}</tbody></table></div>`;
}

/** An id in full where it is selected, short to the eye. */
export const shownId = (id: string): Html => html`<code title="${id}">${shortId(id)}</code>`;
