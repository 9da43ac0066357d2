import { html } from 'hono/html';
import { foreign, type Html } from '../../http/kit/text.ts';
import { sizeText } from '../../protocol/base/quantity.ts';
import type { ListedFiles } from '../node/page-parts.ts';

/** Files with sizes, each to download; nothing is shown in the browser. */
export function fileTable(tree: string, { files, more }: ListedFiles, sbom: boolean): Html {
  const rows = files.filter(({ kind }) => kind !== 'dir');
  return html`<p><a href="/trees/${tree}.tar">Download as tar</a> · <a href="/ipfs/${tree}?format=car">as CAR</a>${sbom ? html` · <a href="/trees/${tree}.cdx.json">SBOM (CycloneDX)</a>` : ''}</p>
<div class="scroll" tabindex="0" role="region" aria-label="Files"><table><thead><tr><th scope="col">File</th><th scope="col" class="number">Size</th></tr></thead>
<tbody>${rows.map(
    ({ path, kind, size, target, executable }) =>
      html`<tr><td>${kind === 'link' ? html`${foreign(path, 500)} → ${foreign(target ?? '', 500)}` : html`<a href="/trees/${tree}/file?path=${encodeURIComponent(path)}">${foreign(path, 500)}</a>${executable ? html` <span class="quiet">executable</span>` : ''}`}</td><td class="number">${kind === 'file' ? sizeText(size) : ''}</td></tr>`,
  )}</tbody></table></div>${more ? html`<p class="quiet">There are more files; the archives have all of them.</p>` : ''}`;
}
