import { html } from 'hono/html';
import { foreign, type Html } from '../../http/kit/parts.ts';
import { staticUrl } from '../../http/static-files.ts';
import { accountOf, firstOfMost } from '../../protocol/account/index.ts';
import { counted, listed } from '../../protocol/base/quantity.ts';
import { shortId } from '../../protocol/base/text.ts';
import type { Progress } from '../../protocol/wire/progress.ts';
import type { RunView } from '../node/project-view.ts';
import { isTree } from './agreement.ts';
import { pageLimits } from './limits.ts';

type Compared = Extract<Progress, { kind: 'compared' }>;

/** A tree that somebody built, and who did. */
interface Made {
  tree: string;
  by: string;
}

/**
 * The first difference of a run in dispute, once that is told: links to the bytes of both sides, which a script compares in the browser.
 * `hasBytes`: files can be had here.
 */
export function differencePart({ summary, history }: RunView, hasBytes: boolean): Html {
  const told = history.findLast(({ progress }) => progress.kind === 'compared')?.progress;
  if (told?.kind !== 'compared' || !hasBytes || accountOf(summary).state === 'revoked')
    return html`<section data-part id="difference"></section>`;
  const [most, ...others] = madeIn(told);
  const shown = others.slice(0, pageLimits.differencesShownMax);
  const body =
    most === undefined || shown.length === 0
      ? sameTree(told)
      : told.files.length === 0
        ? html`<p>All files have the same bytes, as their receipts state it: a mode, a link or a folder differs.</p>`
        : shown.map((other, at) => onePair(told, most, other, at));
  if (body === undefined) return html`<section data-part id="difference"></section>`;
  return html`<section data-part id="difference" data-code="${staticUrl('diff-bytes.js')}"><h2>The difference</h2>
${body}
<p class="quiet">Shown as this server has it. <code>quorate diff ${summary.run.slice(0, 10)}</code> compares all of it on your machine, and verifies it.</p></section>`;
}

/** Trees of results, that of most first. */
function madeIn({ results }: Compared): Made[] {
  const built = results.flatMap(({ result, reports, slot, operator }) => {
    const tree = reports ?? result;
    return isTree(tree) ? [{ tree, slot, operator }] : [];
  });
  const trees = firstOfMost(built.map(({ tree, slot }) => ({ result: tree, slot })));
  return trees.map((tree) => {
    const of = built.filter((one) => one.tree === tree);
    const operators = of.flatMap(({ slot, operator }) => (slot === 'trusted' ? [] : foreign(operator, 40)));
    const named = operators.slice(0, pageLimits.buildersNamedMax);
    const more = operators.length - named.length;
    const by = listed([
      ...named,
      ...(more > 0 ? [counted(more, 'other operator')] : []),
      ...(operators.length < of.length ? ['your own worker'] : []),
    ]);
    return { tree, by };
  });
}

/** All trees are one, or there is one only. */
function sameTree({ results, files }: Compared): Html | undefined {
  if (files.length > 0)
    return html`<p>They made the same tree; its files have other hashes in their receipts.</p>`;
  const withTree = results.filter(({ result, reports }) => isTree(reports ?? result));
  if (withTree.length < 2) return undefined;
  return html`<p>The files are the same; how the builds ended differs.</p>`;
}

function onePair({ files, count }: Compared, a: Made, b: Made, at: number): Html {
  const shown = files.slice(0, pageLimits.differingFilesMax);
  // A receipt may list any files, and those first that are the same.
  const more = count - shown.length;
  const link = ({ tree, by }: Made, path: string) =>
    html`<a href="/trees/${tree}/file?path=${encodeURIComponent(path)}">as ${by} built it</a>`;
  const box = html`<div class="compare" data-a="${a.by}" data-b="${b.by}"><ul>${shown.map(
    (path) => html`<li><code>${foreign(path, 200)}</code>: ${link(a, path)} · ${link(b, path)}</li>`,
  )}</ul>${more > 0 ? html`<p>${counted(more, 'more file')} may differ, by the receipts; no bytes of them are compared here.</p>` : ''}</div>`;
  return at === 0
    ? box
    : html`<details><summary>What ${b.by} built (${shortId(b.tree)})</summary>${box}</details>`;
}
