import type { Hono } from 'hono';
import { limits } from '../../core/limits.ts';
import type { ListedFiles, Trees } from '../../runtime/controller/page-parts.ts';
import { afterAnswer, type HttpEnv } from '../env.ts';
import { notFound } from '../errors.ts';
import { httpLimits } from '../limits.ts';
import { Slots } from '../slots.ts';
import { streamOf } from '../stream.ts';
import { attachment, fileTable } from './files.ts';
import type { Html } from './text.ts';

/** Lists that are kept: trees do not change. */
const keptMax = 64;
const kept = new WeakMap<Trees, Map<string, Promise<ListedFiles | undefined>>>();

/** The files of a tree for its page. */
export async function filesOf(trees: Trees, tree: string): Promise<Html | undefined> {
  if (!trees.isShown(tree)) return undefined;
  const lists = kept.get(trees) ?? new Map<string, Promise<ListedFiles | undefined>>();
  kept.set(trees, lists);
  const listed = lists.get(tree) ?? trees.list(tree, httpLimits.filesShownMax);
  lists.delete(tree);
  const [oldest] = lists.keys();
  if (lists.size >= keptMax && oldest !== undefined) lists.delete(oldest);
  lists.set(tree, listed);
  const files = await listed.catch(() => undefined);
  // It may arrive later.
  if (files === undefined) lists.delete(tree);
  return files === undefined ? undefined : fileTable(tree, files, trees.sbom !== undefined);
}

const binary = 'application/octet-stream';
const forever = 'public, max-age=29030400, immutable';

/** Downloads. Every one is an attachment of no type that a browser shows. */
export function addTreeRoutes(app: Hono<HttpEnv>, trees: Trees | undefined, version: string): void {
  if (trees === undefined) return;
  const downloads = new Slots(httpLimits.treesMax, 'downloads');
  const lists = new Slots(httpLimits.sbomsMax, 'lists of what artifacts were made from');
  app.get('/trees/:tree/file', async (c) => {
    const tree = c.req.param('tree');
    const path = c.req.query('path') ?? '';
    if (!trees.isShown(tree) || path.length > limits.pathBytesMax) throw notFound('no such file');
    const entry = await trees.entry(tree, path);
    if (entry === undefined || entry.kind !== 'file') throw notFound('no such file');
    afterAnswer(c, downloads.take());
    return c.body(streamOf(c, trees.file(entry.cid)), 200, {
      'content-type': binary,
      'content-disposition': attachment(path),
      'content-length': String(entry.size),
      'cache-control': forever,
    });
  });
  app.get('/trees/:name', async (c) => {
    const [, tree = '', form] = /^([a-z2-7]{50,100})\.(tar|cdx\.json)$/.exec(c.req.param('name')) ?? [];
    if (form === undefined || !trees.isShown(tree)) throw notFound('no such artifact');
    const disposition = { 'content-disposition': `attachment; filename="${tree}.${form}"` };
    if (form === 'tar') {
      if ((await trees.entry(tree, '')) === undefined) throw notFound('that artifact is not here');
      afterAnswer(c, downloads.take());
      return c.body(streamOf(c, trees.tar(tree)), 200, {
        ...{ ...disposition, 'content-type': binary, 'cache-control': forever },
        'transfer-encoding': 'chunked',
      });
    }
    const release = lists.take();
    const sbom = await trees.sbom?.(tree, version).finally(release);
    release();
    if (sbom === undefined) throw notFound('there is no list of what it was made from');
    return c.body(sbom, 200, {
      ...disposition,
      'content-type': 'application/json',
      'cache-control': 'no-cache',
    });
  });
}
