import { createHash } from 'node:crypto';
import type { Hono } from 'hono';
import { limits } from '../../core/limits.ts';
import type { ListedFiles, Trees } from '../../runtime/controller/page-parts.ts';
import { answerWith, artifactAnswer } from '../answer.ts';
import type { HttpEnv } from '../env.ts';
import { notFound } from '../errors.ts';
import { httpLimits } from '../limits.ts';
import { Slots } from '../slots.ts';
import { fileTable } from './files.ts';
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
    const release = downloads.take();
    const { cid, size } = entry;
    const about = { level: trees.level(tree), name: path, extension: '', id: cid };
    return answerWith(c, artifactAnswer({ ...about, body: trees.file(cid), size, type: binary }), release);
  });
  app.get('/trees/:name', async (c) => {
    const [, tree = '', form] = /^([a-z2-7]{50,100})\.(tar|cdx\.json)$/.exec(c.req.param('name')) ?? [];
    if (form === undefined || !trees.isShown(tree)) throw notFound('no such artifact');
    const about = { level: trees.level(tree), name: tree, extension: `.${form}` };
    if (form === 'tar') {
      if ((await trees.entry(tree, '')) === undefined) throw notFound('that artifact is not here');
      const release = downloads.take();
      return answerWith(
        c,
        artifactAnswer({ ...about, id: tree, body: trees.tar(tree), type: binary }),
        release,
      );
    }
    const release = lists.take();
    const sbom = await trees.sbom?.(tree, version).finally(release);
    release();
    if (sbom === undefined) throw notFound('there is no list of what it was made from');
    const body = Buffer.from(sbom);
    const id = createHash('sha256').update(body).digest('hex').slice(0, 32);
    return answerWith(c, artifactAnswer({ ...about, id, body, type: 'application/json' }), () => {});
  });
}
