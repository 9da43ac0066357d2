import { html } from 'hono/html';
import { type Html, time } from '../../http/kit/text.ts';
import { eventText } from '../../protocol/account/index.ts';
import type { RunFacts } from '../machine/facts.ts';
import { pageLimits } from './limits.ts';

/** The events of a run, the newest last. */
export function history(told: RunFacts['history']): Html {
  const shownMax = pageLimits.eventsShownMax;
  const shown = told.slice(-shownMax);
  return html`${shown.length < told.length ? html`<p class="quiet">The last ${shownMax} of ${told.length} events.</p>` : ''}
<ol class="history">${shown.map(({ at, progress }) => html`<li>${time(at)}<span>${eventText(progress)}</span></li>`)}</ol>`;
}
