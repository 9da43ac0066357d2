import type { Hono } from 'hono';
import { html } from 'hono/html';
import type { Account } from '../../http/accounts.ts';
import { answerWith, artifactAnswer } from '../../http/answer.ts';
import { afterAnswer, type HttpEnv, holderOf, untilGone } from '../../http/env.ts';
import { notFound } from '../../http/errors.ts';
import { foreign, type Html } from '../../http/kit/parts.ts';
import { httpLimits } from '../../http/limits.ts';
import { nodeWeight, sbomWeight, tarChunkBytes, workPrices } from '../../http/prices.ts';
import { paid } from '../../http/stream.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { keepNewest } from '../../protocol/base/maps.ts';
import { sizeText } from '../../protocol/base/quantity.ts';
import { sha256InSlices } from '../../store/index.ts';
import type { ListedFiles, Trees } from '../node/page-parts.ts';
import { pageLimits } from './limits.ts';
import { slots } from './ports.ts';

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

const kept = new WeakMap<Trees, Map<string, Promise<ListedFiles | undefined>>>();

/** The files of a tree for its page. A list that is not made yet has a price of its own. */
export async function filesOf(
  trees: Trees,
  tree: string,
  account: Pick<Account, 'pay' | 'sent'> | undefined,
): Promise<Html | undefined> {
  if (!trees.isShown(tree) || !trees.isHere(tree)) return undefined;
  const lists = kept.get(trees) ?? new Map<string, Promise<ListedFiles | undefined>>();
  kept.set(trees, lists);
  let listed = lists.get(tree);
  if (listed === undefined) {
    account?.pay(workPrices.files);
    // Others wait for the list too: not for the account of who asked first.
    listed = trees.list(tree, pageLimits.filesShownMax, (bytes) => void account?.sent(bytes, nodeWeight));
  }
  keepNewest(lists, tree, listed, pageLimits.fileListsMax);
  const files = await listed.catch(() => undefined);
  // It may arrive later.
  if (files === undefined) lists.delete(tree);
  return files === undefined ? undefined : fileTable(tree, files, trees.sboms !== undefined);
}

const binary = 'application/octet-stream';
const kinds = { dir: 'folder', link: 'link' } as const;

/** Downloads. Every one is an attachment of no type that a browser shows. */
export function addTreeRoutes(app: Hono<HttpEnv>, trees: Trees | undefined, version: string): void {
  if (trees === undefined) return;
  const downloads = slots('downloads', httpLimits.treesMax, httpLimits.treesPerAddressMax);
  const lists = slots(
    'lists of what artifacts were made from',
    pageLimits.sbomsMax,
    pageLimits.sbomsPerAddressMax,
  );
  app.get('/trees/:tree/file', async (c) => {
    const tree = c.req.param('tree');
    const path = c.req.query('path') ?? '';
    if (!trees.isShown(tree) || path.length > limits.pathBytesMax) throw notFound('no such file');
    const release = downloads.take(c.env?.client, holderOf(c.env?.outgoing));
    afterAnswer(c, release);
    const signal = untilGone(c);
    const nodes = (bytes: number) => paid(c.env?.account, bytes, nodeWeight);
    const entry = await trees.entry(tree, path, { signal, nodes });
    if (entry === undefined && !trees.isHere(tree))
      throw new QuorateError('STORE_BLOCK_MISSING', 'its bytes are not here');
    if (entry?.kind !== 'file')
      throw notFound(entry === undefined ? 'no such file' : `no file, but a ${kinds[entry.kind]}`);
    const { cid, size } = entry;
    const about = { level: trees.level(tree), name: path, extension: '', id: cid };
    const body = (skip: number) => trees.file(cid, { signal, nodes, skip });
    const bytes = { body, size, type: binary, leastBytes: tarChunkBytes };
    return answerWith(c, artifactAnswer({ ...about, ...bytes }), release);
  });
  app.get('/trees/:name', async (c) => {
    const [, tree = '', form] = /^([a-z2-7]{50,100})\.(tar|cdx\.json)$/.exec(c.req.param('name')) ?? [];
    if (form === undefined || !trees.isShown(tree)) throw notFound('no such artifact');
    const about = { level: trees.level(tree), name: trees.called(tree) ?? tree, extension: `.${form}` };
    if (form === 'tar') {
      if (!trees.isHere(tree)) throw notFound('that artifact is not here');
      const release = downloads.take(c.env?.client, holderOf(c.env?.outgoing));
      const nodes = (bytes: number) => paid(c.env?.account, bytes, nodeWeight);
      const body = trees.tar(tree, { signal: untilGone(c), nodes });
      const answer = artifactAnswer({ ...about, id: tree, body, type: binary, leastBytes: tarChunkBytes });
      return answerWith(c, answer, release);
    }
    let release = () => {};
    const sbom = await trees.sboms
      ?.get(tree, version, (bundleBytes) => {
        release = lists.take(c.env?.client);
        c.env?.account?.pay(workPrices.sbom);
        // More than can be asked for at once: who asks waits longer for the next answer.
        c.env?.account?.sent(bundleBytes, sbomWeight);
      })
      .finally(() => release());
    if (sbom === undefined) throw notFound('there is no list of what it was made from');
    const body = Buffer.from(sbom);
    const id = (await sha256InSlices(body)).slice(0, 32);
    return answerWith(c, artifactAnswer({ ...about, id, body, type: 'application/json' }), () => {});
  });
}
