import { html } from 'hono/html';
import { verdictText } from '../../core/account/index.ts';
import type { RunFacts } from '../../core/controller/facts.ts';
import { counted } from '../../core/quantity.ts';
import { passReason } from '../../core/wire/pass-reason.ts';
import type { Progress } from '../../core/wire/progress.ts';
import { foreign, type Html, shortId, time } from './text.ts';

/** Entries of the newest that are shown. */
const shownMax = 200;

/** What happened, the newest last. */
export function history(told: RunFacts['history']): Html {
  const shown = told.slice(-shownMax);
  return html`${shown.length < told.length ? html`<p class="quiet">The last ${shownMax} of ${told.length} events.</p>` : ''}
<ol class="history">${shown.map(({ at, progress }) => html`<li>${time(at)}<span>${said(progress)}</span></li>`)}</ol>`;
}

const who = ({ operator, slot }: { operator: string; slot: number | 'trusted' }): string =>
  `${foreign(operator, 80)}${slot === 'trusted' ? ' (trusted worker)' : ''}`;
const names = (all: readonly string[]): string => foreign(all.join(', '));
const tree = (artifact: string | null): string => (artifact === null ? 'no outputs' : shortId(artifact));

/** One event as a sentence. */
function said(progress: Progress): string {
  switch (progress.kind) {
    case 'accepted':
      return 'published';
    case 'waiting':
      return `waits for ${names(Object.keys(progress.needs))}`;
    case 'inputs':
      return `reads ${names(Object.keys(progress.inputs))}`;
    case 'answered':
      return `built before, in run ${progress.earlier.slice(0, 10)}: its evidence is enough`;
    case 'answer-failed':
      return `built before, but ${shortId(progress.artifact)} is not there any more`;
    case 'answer-cosigning':
      return 'waits for a trusted worker to sign the answer';
    case 'answer-refused':
      return `the trusted worker does not sign the answer, so it is built: ${foreign(progress.message)}`;
    case 'repeated':
      return progress.later === true
        ? `built again in run ${progress.earlier.slice(0, 10)}, which came to something else`
        : `built again: ${progress.same ? 'the same as in' : 'something else than in'} run ${progress.earlier.slice(0, 10)}`;
    case 'round':
      return `round ${progress.round} opened: ${progress.agree} of ${progress.of} have to agree`;
    case 'leased':
      return `${who(progress)} builds`;
    case 'passed':
      return `${foreign(progress.operator, 80)} declines: ${foreign(passReason(progress.reason))}`;
    case 'delivered':
      return `${who(progress)} is done; the result is sealed`;
    case 'lost':
      return `${who(progress)} was lost: ${foreign(progress.reason)}`;
    case 'unfilled':
      return `${counted(progress.slots, 'slot')} without a result${progress.absent === true ? ': nobody is connected who could take them' : ''}`;
    case 'revealed':
      return progress.results.some(({ slot }) => slot === 'trusted')
        ? `the trusted worker came to ${names(progress.results.map(({ result }) => result))}`
        : `round ${progress.round} revealed: ${counted(progress.results.length, 'result')}`;
    case 'differs':
    case 'compared':
      return progress.count === 0 ? 'the builds were compared' : `${progress.count} files differ`;
    case 'agreed':
      return `${names(progress.by)} agree on ${tree(progress.artifact)}`;
    case 'failed':
      return `the test failed alike at ${names(progress.by)}`;
    default:
      return saidOfVerdict(progress);
  }
}

function saidOfVerdict(progress: Progress): string {
  switch (progress.kind) {
    case 'acknowledged':
      return `${foreign(progress.by, 80)} has looked at it`;
    case 'unconfirmed':
      return foreign(progress.says);
    case 'contradicted':
      return `the trusted worker does not confirm ${tree(progress.artifact)}`;
    case 'cosigning':
      return 'the trusted worker looks at the evidence';
    case 'cosign-delayed':
    case 'cosign-refused':
      return `the trusted worker ${progress.kind === 'cosign-delayed' ? 'cannot check it yet' : 'does not sign'}: ${foreign(progress.message)}`;
    case 'witnessing':
      return 'witnesses look at the log';
    case 'unwitnessed':
      return 'waits for witnesses of the log';
    case 'pin-failed':
      return `no peer serves ${shortId(progress.artifact)}: ${foreign(progress.detail)}`;
    case 'input-lost':
    case 'reopened':
    case 'cancelled':
      return `${{ 'input-lost': 'an input is lost', reopened: 'built again', cancelled: 'cancelled' }[progress.kind]}: ${foreign(progress.reason)}`;
    case 'revoked':
      return `does not stand any more: the ${progress.what} was revoked: ${foreign(progress.reason)}`;
    case 'restored':
      return 'stands again: the key that revoked it was revoked by the root key';
    case 'verdict':
      return `verdict: ${foreign(verdictText(progress))}`;
    default:
      return progress.kind;
  }
}
