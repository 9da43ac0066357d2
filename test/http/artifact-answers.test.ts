import type { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import type { Trees } from '../../src/controller/node/page-parts.ts';
import { controllerApp } from '../../src/controller/page/controller-app.ts';
import { pageLimits } from '../../src/controller/page/limits.ts';
import { filesOf } from '../../src/controller/page/tree-routes.ts';
import type { ArtifactLevel } from '../../src/http/answer.ts';
import type { HttpEnv } from '../../src/http/env.ts';
import { wholeApp } from '../../src/http/listen.ts';
import { nodeWeight, tarChunkBytes } from '../../src/http/prices.ts';
import { publicTrees } from '../../src/node/artifacts/public-trees.ts';
import { store, tar } from '../store/support.ts';
import { viewOf } from './support.ts';

/** Routes of a controller by which no bytes of an artifact and nothing about its parts is sent. A new route belongs here or in `bytes`. */
const others = [
  'GET /',
  'GET /badge.svg',
  'GET /events',
  'GET /openapi.json',
  'GET /runs',
  'GET /runs/:run',
  'GET /runs/:run/events',
  'GET /runs/:run/logs/:lease',
  'GET /runs/:run/logs/:lease/events',
  'GET /runs/:run/logs/:lease/raw',
  'GET /static/:name',
  'GET /v1/*',
  'GET /verify',
];

interface Case {
  target: (tree: string) => string;
  name: (tree: string, level: string) => string;
}
const dot = (level: string) => (level === '' ? '' : `.${level}`);
/** Routes that send bytes of an artifact, or what it was made from, and how the file is called at a level that is not trusted. */
const bytes: Record<string, Case[]> = {
  'GET /ipfs/*': [
    { target: (tree) => `/ipfs/${tree}?format=car`, name: (tree, level) => `${tree}${dot(level)}.car` },
    { target: (tree) => `/ipfs/${tree}?format=raw`, name: (tree, level) => `${tree}${dot(level)}.bin` },
  ],
  'GET /trees/:tree/file': [
    { target: (tree) => `/trees/${tree}/file?path=bin%2Ftool`, name: (_, level) => `tool${dot(level)}` },
  ],
  'GET /trees/:name': [
    { target: (tree) => `/trees/${tree}.tar`, name: (_, level) => `tool-1a2b3c4d${dot(level)}.tar` },
    {
      target: (tree) => `/trees/${tree}.cdx.json`,
      name: (_, level) => `tool-1a2b3c4d${dot(level)}.cdx.json`,
    },
  ],
};

/** A path of 4,096 bytes, as long as paths may be. */
const longest = `${`${'a'.repeat(255)}/`.repeat(15)}${'b'.repeat(254)}/c`;

/** A controller's site with one tree, which is at this level. */
async function siteAt(level: () => ArtifactLevel) {
  const own = await store();
  const { root } = await own.importTar(
    await tar([
      { name: 'bin/tool', body: 'hello' },
      { name: longest, body: 'far' },
    ]),
    {
      into: own.public,
    },
  );
  const trees: Trees = {
    isShown: (tree) => tree === root,
    level,
    called: () => 'tool-1a2b3c4d',
    list: async () => undefined,
    isHere: () => true,
    entry: (tree, path, reading) => own.resolve(tree, path, reading),
    file: (cid, reading) => own.readFile(cid, reading),
    tar: (tree) => own.exportTar(tree),
    sboms: { get: async () => '{"bomFormat":"CycloneDX"}' },
  };
  const view = viewOf({ ...publicTrees(own, (tree) => tree === root), level });
  const pages = { view: {}, logs: {}, trees } as never;
  const { app, close } = controllerApp({
    view,
    pages,
    acknowledge: async () => {},
    cancel: { may: () => false, run: async () => {} },
    people: undefined,
    version: '1',
  });
  return { app, close, root };
}

const levels = ['trusted', 'agreed', 'revoked', 'none'] as const;

describe('bytes of an artifact', () => {
  it('leave a controller by these routes and no other', async () => {
    const { app, close } = await siteAt(() => 'trusted');
    close();
    const served = app.routes.filter(({ method }) => method !== 'ALL');
    const known = [...others, ...Object.keys(bytes)].sort();
    expect([...new Set(served.map(({ method, path }) => `${method} ${path}`))].sort()).toEqual(known);
  });

  const cases = Object.values(bytes).flat();
  it.each(cases.map((one) => ({ ...one, shown: one.target('TREE') })))(
    'say their level, and no cache keeps them as final: $shown',
    async ({ target, name }) => {
      let now: ArtifactLevel = 'trusted';
      const { app, close, root } = await siteAt(() => now);
      const ask = (headers = {}) => (app as Hono<HttpEnv>).request(target(root), { headers }, {});
      let before = '';
      for (const level of levels) {
        now = level;
        const { status, headers } = await ask({ 'if-none-match': before });
        // A cached copy of another level is not confirmed.
        expect([level, status]).toEqual([level, 200]);
        expect(Object.fromEntries(headers)).toMatchObject({
          'quorate-level': level,
          'cache-control': 'no-cache',
          'content-disposition': `attachment; filename="${name(root, level === 'trusted' ? '' : level)}"`,
        });
        before = headers.get('etag') ?? '';
        const again = await ask({ 'if-none-match': before });
        expect([again.status, again.headers.get('quorate-level')]).toEqual([304, level]);
      }
      close();
    },
  );

  it('are those of the file at the longest path, too', async () => {
    const { app, close, root } = await siteAt(() => 'trusted');
    close();
    const ask = (path: string) => wholeApp(app).request(`/trees/${root}/file?path=${path}`);
    expect(await (await ask(longest)).text()).toBe('far');
    expect((await ask(`${longest}c`)).status).toBe(404);
  });

  it('are sent in part, and with the level that they have now', async () => {
    let now: ArtifactLevel = 'trusted';
    const { app, close, root } = await siteAt(() => now);
    close();
    const ask = (headers: Record<string, string>) =>
      wholeApp(app).request(`/trees/${root}/file?path=bin%2Ftool`, { headers });
    const part = await ask({ range: 'bytes=1-3' });
    expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([
      ...[206, 'bytes 1-3/5', 'ell'],
    ]);
    const etag = part.headers.get('etag') ?? '';
    now = 'revoked';
    const other = await ask({ range: 'bytes=4-', 'if-range': etag });
    expect([other.status, other.headers.get('quorate-level'), await other.text()]).toEqual([
      200,
      'revoked',
      'hello',
    ]);
    // Of an archive nobody knows the size before.
    const tar = await wholeApp(app).request(`/trees/${root}.tar`, { headers: { range: 'bytes=0-1' } });
    expect([tar.status, tar.headers.get('accept-ranges')]).toEqual([200, 'none']);
  });

  it('are charged for where they are sent, and not to who asks for the head only', async () => {
    const { app, close, root } = await siteAt(() => 'trusted');
    close();
    let bytes = 0;
    const sent = (some: number, weight = 1) => {
      // Besides blocks of folders, which are read in any case.
      if (weight !== nodeWeight) bytes += some;
      return 0;
    };
    const env = { account: { pay() {}, sent, isWaiting: false } };
    const ask = (method: string) =>
      wholeApp(app).request(`/trees/${root}/file?path=bin%2Ftool`, { method }, env);
    expect((await ask('HEAD')).headers.get('content-length')).toBe('5');
    expect(bytes).toBe(0);
    expect(await (await ask('GET')).text()).toBe('hello');
    expect(bytes).toBe(tarChunkBytes);
  });
});

it('lists of the files of as many artifacts are kept as the limit says; the one shown longest ago is made again', async () => {
  const made: string[] = [];
  const trees = {
    isShown: () => true,
    isHere: () => true,
    list: async (tree: string) => {
      made.push(tree);
      return { files: [], more: false };
    },
  } as never;
  const shown = (...all: number[]) => Promise.all(all.map((n) => filesOf(trees, `tree${n}`, undefined)));
  const { fileListsMax } = pageLimits;
  await shown(...Array.from({ length: fileListsMax }, (_, n) => n));
  await shown(0);
  expect(made).toHaveLength(fileListsMax);
  await shown(fileListsMax, 0, 1);
  expect(made.slice(fileListsMax)).toEqual([`tree${fileListsMax}`, 'tree1']);
});
