import { html } from 'hono/html';
import type { Account } from '../../http/accounts.ts';
import { foreign, type Html } from '../../http/kit/parts.ts';
import { workPrices } from '../../http/prices.ts';
import { counted, duration } from '../../protocol/base/quantity.ts';
import type { Trees } from '../node/page-parts.ts';
import type { TestReport } from '../node/test-reports.ts';

/** The results in the reports of a test, read in a thread; undefined where there are none, `unread` where that is not known. */
export async function testReportOf(
  trees: Trees | undefined,
  tree: string | undefined,
  account: Pick<Account, 'pay'> | undefined,
): Promise<TestReport | 'unread' | undefined> {
  if (trees?.testReports === undefined || tree === undefined) return undefined;
  if (!trees.isShown(tree) || !trees.isHere(tree)) return undefined;
  return trees.testReports.get(tree, () => account?.pay(workPrices.testReport));
}

/** A table of the cases that failed, below one line about all. */
export function testResultsPart(report: TestReport | 'unread' | undefined): Html {
  if (report === undefined) return html`<section data-part id="tests"></section>`;
  if (report === 'unread')
    return html`<section data-part id="tests"><h2>Tests</h2>
<p class="quiet">The reports could not be read in time. Load the page again in a minute, or fetch them.</p></section>`;
  const { total, failed, skipped, ms, failures, partial } = report;
  const parts = [
    ...(failed === 0 ? ['none failed'] : [`${failed} failed`]),
    ...(skipped === 0 ? [] : [`${skipped} skipped`]),
    ...(ms === 0 ? [] : [duration(ms)]),
  ];
  return html`<section data-part id="tests"><h2>Tests</h2>
<p>${counted(total, 'case')}: ${parts.join(', ')}${partial ? '; some files were too many or too large to read' : ''}.</p>
${
  failures.length === 0
    ? ''
    : html`<table class="list tests" aria-label="Cases that failed"><thead><tr><th scope="col">Case</th><th scope="col">Why</th></tr></thead>
<tbody>${failures.map(({ suite, name, says }) => html`<tr><th scope="row">${foreign(name, 200)}${suite === '' ? '' : html` <span class="quiet">${foreign(suite, 200)}</span>`}</th><td class="why">${foreign(says.split('\n')[0] ?? '', 300)}</td></tr>`)}</tbody></table>
${failed > failures.length ? html`<p class="quiet">and ${failed - failures.length} more</p>` : ''}`
}</section>`;
}
