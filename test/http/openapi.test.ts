import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { controllerApp } from '../../src/controller/page/controller-app.ts';
import { feedApp, feedLists } from '../../src/http/feed.ts';
import { listenHttp } from '../../src/http/listen.ts';
import { answers, openApi, openApiApp } from '../../src/http/openapi.ts';
import type { PublicView } from '../../src/http/views.ts';
import { version } from '../../src/program.ts';
import { encodeBundle } from '../../src/protocol/documents/bundle.ts';
import { watchApp } from '../../src/watcher/page/index.ts';
import { cidOf, idp } from '../support/documents.ts';
import { makeProject, project } from '../support/project.ts';
import { startSignIn } from '../support/sign-in.ts';
import { ask, type Got, serve } from './support.ts';

interface Described {
  description: string;
  content?: Record<string, { schema: object }>;
  headers?: Record<string, { schema: object }>;
}
interface Path {
  get: {
    parameters: { name: string; in: string; required?: boolean }[];
    responses: Record<string, Described>;
  };
}
const page = JSON.parse(JSON.stringify(openApi(version()))) as { paths: Record<string, Path> };
/** Those of the feed, whose answers are described in full. */
const paths = Object.entries(page.paths).filter(([path]) => /^\/(v1|ipfs)\//.test(path));
const ajv = new Ajv2020({ strict: false });

const origin = 'http://127.0.0.1:4993';
const artifact = cidOf('good');
const run = 'ab'.repeat(32);
const values: Record<string, string[]> = {
  project: [project],
  which: [run],
  cid: [artifact],
  after: ['', run],
  format: ['car', 'raw'],
};

/** Every request that a path describes, with each value of each query. */
function requestsOf(path: string, { get: { parameters } }: Path): string[] {
  let all = [path];
  for (const { name, in: where } of parameters)
    all = all.flatMap((one) =>
      (values[name] ?? []).map((value) => {
        if (where === 'path') return one.replace(`{${name}}`, value);
        return value === '' ? one : `${one}${one.includes('?') ? '&' : '?'}${name}=${value}`;
      }),
    );
  return all;
}

/** An answer is one of those that its path describes, body and headers. */
function expectDescribed(path: string, got: Got): void {
  const described = page.paths[path]?.get.responses[String(got.status)];
  if (described === undefined)
    throw new Error(`${path} is answered with ${got.status}, which is not described`);
  const { content, headers = {} } = described;
  const [type = ''] = String(got.headers['content-type'] ?? '').split(';');
  expect(content === undefined ? [''] : Object.keys(content), path).toContain(type);
  if (type === 'application/json') {
    const check = ajv.compile(content?.[type]?.schema ?? {});
    expect(check(JSON.parse(got.body)), `${path}: ${JSON.stringify(check.errors)}`).toBe(true);
  }
  for (const [name, { schema }] of Object.entries(headers)) {
    expect(ajv.validate(schema, got.headers[name]), `${path}: ${name}`).toBe(true);
  }
}

async function view(): Promise<Partial<PublicView>> {
  const { bundle } = await makeProject();
  const proven = encodeBundle(bundle);
  return {
    verdicts: () => [{ job: artifact, request: run, level: 'trusted', artifact }],
    revocations: () => ({ charters: ['a.b.c'], revocations: ['d.e.f'] }),
    bundle: async (which) => (which === run ? proven : undefined),
    block: async (cid) => ({ root: cid, bytes: Uint8Array.of(1) }),
    async *tree() {
      yield Uint8Array.of(2);
    },
  };
}

describe('the OpenAPI page of the HTTP API', () => {
  it('has every route of a controller, of a watcher and of a store, and no other', async () => {
    const people = await startSignIn(`origin = "${origin}"`, {
      authority: {} as never,
      issuer: { signer: idp.signer, charter: () => ({ project }) },
    });
    onTestFinished(() => people.close());
    const feed = feedApp((await view()) as PublicView);
    const site = controllerApp({
      view: (await view()) as PublicView,
      people,
      version: '1',
      pages: { view: {}, logs: {}, trees: {} } as never,
      acknowledge: async () => {},
      cancel: { may: () => false, run: async () => {} },
    });
    onTestFinished(() => site.close());
    const watch = watchApp({
      version: '1',
      label: 'quorate',
      badge: () => undefined,
      webhook: {},
      approvals: { people },
      pipelines: { people },
    } as never);
    const store = feed.route(
      '/',
      openApiApp('1', () => feed.routes),
    );
    const described = new Set<string>();
    for (const app of [site.app, watch, store]) {
      const served = (await (await app.request('/openapi.json')).json()) as typeof page;
      const operations = Object.entries(served.paths).flatMap(([path, all]) =>
        Object.keys(all).map((method) => ({ method, path })),
      );
      // Those for all methods add headers, and answer nothing.
      const routes = app.routes.filter(({ method }) => method !== 'ALL');
      const missing = routes.filter(
        (route) => !operations.some(({ method, path }) => answers(route, method, path)),
      );
      expect(missing.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
      for (const { method, path } of operations) described.add(`${method} ${path}`);
      const lists = feedLists.map((name) => `/v1/{project}/${name}`);
      const all = [...lists, '/v1/{project}/bundle/{which}', '/ipfs/{cid}', '/openapi.json'];
      if (app === store) expect(Object.keys(served.paths).sort()).toEqual(all.sort());
    }
    // No row of what no server serves.
    const rows = Object.entries(page.paths).flatMap(([path, all]) =>
      Object.keys(all).map((method) => `${method} ${path}`),
    );
    expect([...described].sort()).toEqual(rows.sort());
  });

  it('says how each path is answered', async () => {
    const server = await serve(await view());
    for (const [path, described] of paths)
      for (const target of requestsOf(path, described)) {
        const got = await ask(server, target);
        expect(got.status, target).toBe(200);
        expectDescribed(path, got);
        const hasRanges = got.headers['accept-ranges'] === 'bytes';
        for (const [range, status] of [
          ['bytes=0-0', 206],
          ['bytes=999999999-', 416],
        ] as const) {
          const part = await ask(server, target, { headers: { range } });
          expect(part.status, target).toBe(hasRanges ? status : 200);
          expect(page.paths[path]?.get.responses).toHaveProperty(String(part.status));
        }
        const again = await ask(server, target, { headers: { 'if-none-match': String(got.headers.etag) } });
        expect(again.status, target).toBe(304);
        expectDescribed(path, again);
      }
  });

  it('says how each path refuses', async () => {
    const server = await serve(await view());
    const small = await listenHttp({
      host: '127.0.0.1',
      port: 0,
      app: feedApp((await view()) as PublicView),
      limits: { requestsBurst: 1, requestsPerSecond: 0.001 },
    });
    onTestFinished(() => small.close());
    await ask(small, '/');
    for (const [path, described] of paths) {
      const [target = ''] = requestsOf(path, described);
      const other = target.replace(project, 'z'.repeat(52)).replace('format=car', 'format=zip');
      const refusals: [number, Got][] = [
        [404, await ask(server, other)],
        [405, await ask(server, target, { method: 'PUT' })],
        [413, await ask(server, target, { body: 'x', headers: { 'content-length': '1' } })],
        [421, await ask(server, target, { headers: { host: 'evil.example.org' } })],
        [429, await ask(small, target)],
      ];
      for (const [status, got] of refusals) {
        expect(got.status, `${path} ${status}`).toBe(status);
        expectDescribed(path, got);
      }
    }
  });

  it('says that a bundle may have to wait', async () => {
    const waiting = Promise.withResolvers<string>();
    const server = await serve({ ...(await view()), bundle: () => waiting.promise });
    const path = '/v1/{project}/bundle/{which}';
    const target = path.replace('{project}', project).replace('{which}', run);
    const asked = Array.from({ length: 5 }, () => ask(server, target));
    const busy = await Promise.race(asked);
    waiting.resolve('{}');
    await Promise.all(asked);
    expect(busy.status).toBe(503);
    expectDescribed(path, busy);
  });
});
