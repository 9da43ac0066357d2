import { html } from 'hono/html';
import { command, type Html } from '../../http/kit/parts.ts';
import { counted } from '../../protocol/base/quantity.ts';
import { cosignersOf } from '../../protocol/judge/policy.ts';
import { oddsCells, oddsColumns, riskDefault, suspectsText } from '../../protocol/trust/odds-report.ts';
import type { PolicyView } from '../node/project-view.ts';

const columns = oddsColumns(riskDefault).slice(0, -1);

/** Attacks that the floors of the project hold against, by figures. */
export function policyPart(view: PolicyView | undefined): Html {
  if (view === undefined) return html`<section data-part id="policy"></section>`;
  const { operators, floors } = view;
  return html`<section data-part id="policy"><h2>Policy <span class="quiet">by figures</span></h2>
<p>If a share of the <strong>${counted(operators, 'operator')}</strong> acts as one party and delivers the same false result. How many operators there are is the controller's word.</p>
${floors.map((floor) => floorTable(floor, floors.length > 1))}
<dl class="facts">${columns.map(([name, says]) => html`<dt>${name}</dt><dd>${says}</dd>`)}</dl>
<details><summary>Other policies, and what the figures leave out</summary>${command(`quorate policy --operators ${operators} --suspect 20%`)}</details></section>`;
}

function floorTable({ of, policy, shares }: PolicyView['floors'][number], several: boolean): Html {
  const { agree, rounds } = policy;
  const jobs = of === 'tests' ? 'Tests' : several ? 'Jobs other than tests' : 'All jobs';
  const signed = cosignersOf(policy) > 0 ? ' and the trusted worker' : ', without a co-signature';
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${jobs}"><table class="odds"><caption>${jobs} need at least ${agree} of ${policy.of} operators${signed}, in ${counted(rounds, 'round')} at most</caption>
<thead><tr><th scope="col">suspects</th>${columns.map(([name]) => html`<th scope="col" class="number">${name}</th>`)}</tr></thead>
<tbody>${shares.map((one) => html`<tr><th scope="row">${suspectsText(one)}</th>${oddsCells(one.odds).map((cell) => html`<td class="number">${cell}</td>`)}</tr>`)}</tbody></table></div>`;
}
