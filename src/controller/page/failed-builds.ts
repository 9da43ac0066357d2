import { html, raw } from 'hono/html';
import { foreign, type Html } from '../../http/kit/parts.ts';
import { accountOf, type RunState } from '../../protocol/account/index.ts';
import { counted } from '../../protocol/base/quantity.ts';
import type { LogFailure } from '../node/log-pages.ts';
import type { BuildLogs, ShownBuild } from '../node/page-parts.ts';
import type { RunView } from '../node/project-view.ts';
import { logLineHtml } from './ansi.ts';
import { pageLimits } from './limits.ts';
import { logUrl } from './log-page.ts';

export interface FailedBuilds {
  operators: string[];
  /** Of the log that is shown. */
  lease: string;
  /** `exit 7`, `aborted: …`. */
  result: string;
  failure: LogFailure | undefined;
}

/** An event of a page that is open has no line breaks. */
const newline = '&#10;';

/** States in which a failed build explains nothing. */
const beyond: ReadonlySet<RunState> = new Set(['agreed', 'trusted', 'revoked']);

/** How builds of a run failed, by the ends of their logs, which are all that is read; `builds`: those whose logs a reader may see. */
export async function failedBuilds(
  { pages }: Pick<BuildLogs, 'pages'>,
  { summary }: RunView,
  builds: readonly ShownBuild[],
): Promise<FailedBuilds[]> {
  if (beyond.has(accountOf(summary).state)) return [];
  const ways = new Map<string, FailedBuilds>();
  // The latest round is the last.
  const failed = builds.filter(({ result }) => /^(?:exit|aborted:) /.test(result ?? '')).toReversed();
  for (const { lease, operator, result = '' } of failed.slice(0, pageLimits.failedLogsMax)) {
    const failure = await pages.failure(lease);
    const key = `${failure?.step?.n ?? ''} ${result}`;
    const known = ways.get(key);
    if (known === undefined) ways.set(key, { operators: [operator], lease, result, failure });
    else if (!known.operators.includes(operator)) known.operators.unshift(operator);
  }
  return [...ways.values()].slice(0, pageLimits.failuresShownMax);
}

/** Why it failed, beside the state of its run: the latest way in which it did, and the others folded. */
export function failuresPart(run: string, [first, ...others]: readonly FailedBuilds[]): Html {
  if (first === undefined) return html``;
  const more =
    others.length === 0
      ? ''
      : html`<details><summary>${counted(others.length, 'other way', 'other ways')} in which it failed</summary>${others.map((one) => oneFailure(run, one))}</details>`;
  return html`<div class="failure">${oneFailure(run, first)}${more}</div>`;
}

function oneFailure(run: string, { operators, lease, result, failure }: FailedBuilds): Html {
  const { step, lines = [] } = failure ?? {};
  const at = step === undefined ? '' : `step ${step.n}${step.name === undefined ? '' : ` (${step.name})`}, `;
  return html`<p><strong>${foreign(`${operators.join(', ')}: ${at}${result}`, 600)}</strong>. <a href="${logUrl(run, lease)}?at=failure">The log</a></p>
${lines.length === 0 ? '' : html`<div class="log" tabindex="0" role="region" aria-label="End of the log"><pre>${raw(lines.map(logLineHtml).join(newline))}</pre></div>`}`;
}
