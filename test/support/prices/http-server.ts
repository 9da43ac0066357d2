// The routes that strangers may ask by HTTP, served by one process with much of everything, which says what it took.
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Hono } from 'hono';
import { Registry } from 'prom-client';
import { pack } from 'tar-stream';
import { openLogFiles } from '../../../src/controller/node/log-files.ts';
import { controllerPages } from '../../../src/controller/node/page-parts.ts';
import { openSboms } from '../../../src/controller/node/sbom.ts';
import { controllerApp } from '../../../src/controller/page/controller-app.ts';
import { checkWebhook } from '../../../src/forge/index.ts';
import { Accounts } from '../../../src/http/accounts.ts';
import type { HttpEnv } from '../../../src/http/env.ts';
import { listenHttp } from '../../../src/http/listen.ts';
import { healthApp, metricsApp } from '../../../src/http/monitor.ts';
import type { PublicView } from '../../../src/http/views.ts';
import { publicTrees } from '../../../src/node/artifacts/public-trees.ts';
import { meterProcess } from '../../../src/node/node-metrics.ts';
import { decodeBundle } from '../../../src/protocol/documents/index.ts';
import { openStore } from '../../../src/store/index.ts';
import { approvalsApp, watchApp, webhookBytesMax } from '../../../src/watcher/page/index.ts';
import { pipelinesApp } from '../../../src/watcher/page/pipelines.ts';
import { lenderApp } from '../../../src/worker/page/app.ts';
import { idp, project, publisher } from '../documents.ts';
import { linkedTree } from '../linked-tree.ts';
import { stateOf } from '../many-runs.ts';
import { idleOperator } from '../operator.ts';
import { answer } from '../other-process.ts';
import { signedInPublisher, startSignIn } from '../sign-in.ts';

/** A request that is measured, and the route that answers it. */
export interface Example {
  route: string;
  what: string;
  port: number;
  path: string;
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  /** A stream without an end is left when nothing came for this time; at once where it is 0. */
  leaveMs?: number;
  /** Each request asks for something else, in place of `N` in its path: what is kept would be measured otherwise. */
  fresh?: true;
}

export interface Served {
  examples: Example[];
  /** All routes of all apps. */
  routes: string[];
}

/** Sizes of what is served. */
export interface Sizes {
  runs: number;
  /** Entries of the largest folder of a tree. */
  entries: number;
  logLines: number;
  bundleBytes: number;
}

const lease = 'a'.repeat(64);
/** Requests are not limited here, but counted: nothing is given back. */
const accounts = new Accounts({ requestsPerSecond: 0, requestsBurst: 1e12 });
const client = '127.0.0.1';

async function serve(dir: string, sizes: Sizes): Promise<Served> {
  const examples: Example[] = [];
  const routes: string[] = [];
  const listen = async (app: Hono<HttpEnv>, name: string, bodyBytesMax: number) => {
    routes.push(
      ...app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`),
    );
    const limits = { bodyBytesMax, requestsPerSecond: 1, requestsBurst: 1e12, connectionsPerAddressMax: 500 };
    const { port } = await listenHttp({ host: '127.0.0.1', port: 0, app, limits, accounts });
    const ask = (route: string, what: string, path: string, more: Partial<Example> = {}) =>
      void examples.push({ route, what: what === '' ? name : what, port, path, ...more });
    return { port, ask };
  };

  await controller(dir, sizes, listen);
  await signIn(listen);
  await watcher(listen);
  await lender(listen);
  await monitor(listen);
  return { examples, routes: [...new Set(routes)].sort() };
}

type Listen = (
  app: Hono<HttpEnv>,
  name: string,
  bodyBytesMax: number,
) => Promise<{ port: number; ask(route: string, what: string, path: string, more?: Partial<Example>): void }>;

async function controller(dir: string, sizes: Sizes, listen: Listen): Promise<void> {
  const { entries, logLines, bundleBytes } = sizes;
  const state = await stateOf(sizes.runs);
  const [run] = state.index.latest();
  if (run === undefined) throw new Error('the history has a run');
  const store = await openStore({ dir: join(dir, 'store') });
  const many = await store.importTar(
    tarOf([
      { name: 'large', bytes: 16 * 1024 * 1024 },
      ...Array.from({ length: entries }, (_, n) => ({ name: `many/file-${n}`, bytes: 10 })),
    ]),
    { into: store.public },
  );
  const folders = await store.importTar(
    tarOf(Array.from({ length: entries }, (_, n) => ({ name: `empty/folder-${n}/` }))),
    { into: store.public },
  );
  const links = await linkedTree(store, { links: entries / 5, folders: 8 });
  const logFile = await openLogFiles(join(dir, 'logs')).create(lease);
  for (let n = 0; n < logLines; n++) logFile.write(colouredLine(n));
  await logFile.end();
  const source = { lease, operator: 'ada', worker: 'w'.repeat(52), slot: '0', delivered: true };
  const pages = controllerPages(
    {
      folder: { project, name: 'bench', dir },
      machine: { state },
      mesh: {
        addresses: () => [],
        connections: () => ({ open: 0, max: 1, refused: 0, isFull: false }),
      },
      store,
    } as never,
    {
      logs: {
        isLive: () => false,
        liveTimes: () => undefined,
        read: (which: string) => openLogFiles(join(dir, 'logs')).read(which),
      },
      logEvidence: { revoked: [], equivocations: [] },
      bundles: { get: async () => undefined, size: async () => undefined },
    } as never,
  );
  const vectors = new URL('../../vectors/bundle/valid.json', import.meta.url);
  const [vector] = JSON.parse(await readFile(vectors, 'utf8')) as { raw: string }[];
  let asked = 0;
  const text = vector?.raw ?? '';
  const { iss } = JSON.parse(
    Buffer.from(decodeBundle(text).charter.split('.')[1] ?? '', 'base64url').toString(),
  ) as { iss: string };
  const sboms = openSboms({
    project: iss,
    store,
    revocations: () => [],
    bundles: { get: async () => text, size: async () => text.length },
    // Another one each time, so that none is kept.
    level: () => String(asked++),
  });
  const bundle = JSON.stringify({ text: 'x'.repeat(bundleBytes) });
  const notice = { offer: 'x'.repeat(8_000), request: 'd.e.f', publisher: 'g.h.i', job: '{}' };
  const view: PublicView = {
    ...publicTrees(store, () => true),
    project,
    charter: () => 'x'.repeat(4_000),
    offers: () => Array.from({ length: 100 }, () => notice),
    verdicts: () => [],
    revocations: () => ({ charters: [], revocations: [] }),
    checkpoint: () => ({ note: 'a note' }),
    level: () => 'trusted',
    bundle: async () => bundle,
    bundleBytes: async () => bundle.length,
  };
  const { app } = controllerApp({
    view,
    pages: {
      view: pages.view,
      logs: { ...pages.logs, of: () => ({ builds: [source], sealed: false }) },
      trees: { ...pages.trees, isShown: () => true, level: () => 'trusted', sboms },
    },
    acknowledge: async () => {},
    cancel: { may: () => false, run: async () => {} },
    people: undefined,
    version: '1',
  });
  const { ask } = await listen(app, 'controller', 0);
  const logs = `/runs/${run.id}/logs/${lease}`;
  ask('', 'nothing', '/nothing');
  ask('GET /', 'the project', '/');
  ask('GET /events', 'of the project', '/events', { leaveMs: 50 });
  ask('GET /runs', 'one page', '/runs?ref=refs%2Fheads%2Fmain');
  ask('GET /runs/:run', 'one run', `/runs/${run.id}`);
  ask('GET /runs/:run/events', 'of a run', `/runs/${run.id}/events`, { leaveMs: 50 });
  ask('GET /runs/:run/logs/:lease', `${logLines} coloured lines`, logs);
  for (const encoding of ['br', 'gzip']) {
    const packed = { headers: { 'accept-encoding': encoding } };
    ask('GET /runs/:run/logs/:lease', `${logLines} coloured lines as ${encoding}`, logs, packed);
    ask('GET /runs', `one page as ${encoding}`, '/runs?ref=refs%2Fheads%2Fmain', packed);
    ask('GET /v1/*', `a bundle as ${encoding}`, `/v1/${project}/bundle/${many.root}`, packed);
  }
  ask('GET /runs/:run/logs/:lease', 'search', `${logs}?q=nowhere`);
  const since = { headers: { 'last-event-id': '7' }, leaveMs: 100 };
  ask('GET /runs/:run/logs/:lease/events', 'of a log, from its start', `${logs}/events`, since);
  ask('GET /runs/:run/logs/:lease/raw', 'the text of a log', `${logs}/raw`);
  ask('GET /v1/*', '100 offers', `/v1/${project}/offers`, { leaveMs: 0 });
  ask('GET /v1/*', `bundle of ${bundleBytes / 2 ** 20} MiB`, `/v1/${project}/bundle/${many.root}`);
  ask('GET /ipfs/*', `CAR of ${entries} files`, `/ipfs/${many.root}?format=car`);
  ask('GET /ipfs/*', 'one block', `/ipfs/${many.root}?format=raw`);
  ask('GET /trees/:name', `tar of ${entries} files`, `/trees/${many.root}.tar`);
  ask('GET /trees/:name', `tar of ${entries} empty folders`, `/trees/${folders.root}.tar`);
  ask('GET /trees/:name', 'SBOM that is not made yet', `/trees/${many.root}.cdx.json`);
  const file = (tree: string, path: string) => `/trees/${tree}/file?path=${encodeURIComponent(path)}`;
  ask('GET /trees/:tree/file', `no file among ${entries}`, file(many.root, 'many/nofile'));
  ask('GET /trees/:tree/file', `one file of ${entries}`, file(many.root, 'many/file-7'));
  ask('GET /trees/:tree/file', 'file of 16 MiB', file(many.root, 'large'));
  ask('GET /trees/:tree/file', 'file of one-byte blocks', file(links.root, 'bytes'));
  ask('GET /trees/:tree/file', 'below folders of many links', file(links.root, 'x/x/x/x/x/x/x/bytes'));
  ask('GET /ipfs/*', 'CAR of blocks with many links', `/ipfs/${links.root}?format=car`);
  ask('GET /badge.svg', 'of a branch', '/badge.svg?ref=main');
  ask('GET /openapi.json', 'all that it serves', '/openapi.json');
  ask('GET /verify', 'the page that verifies', '/verify');
  const [script] = /\/static\/page\.[0-9a-f]+\.js/.exec(await (await app.request('/')).text()) ?? [
    '/static/x',
  ];
  ask('GET /static/:name', 'a script', script);
}

async function signIn(listen: Listen): Promise<void> {
  const origin = 'http://127.0.0.1:4995';
  const service = 'http://127.0.0.1:4996';
  const signed = await startSignIn(`origin = "${origin}"\nservices = ["${service}"]\n`, {
    issuer: { signer: idp.signer, charter: () => ({ project }) },
    authority: {
      host: 'login.example',
      begin: async () => ({
        url: new URL('https://login.example/auth'),
        checks: { state: 's', nonce: 'n', verifier: 'v' },
      }),
      finish: async () => ({ person: publisher.id, name: 'ada', role: () => 'publisher' }),
    },
  });
  const ada = await signedInPublisher(signed.app, origin, Date.now());
  const cookie = [...ada.cookies(origin)].map(([name, { value }]) => `${name}=${value}`).join('; ');
  const acknowledged = controllerApp({
    view: {} as never,
    pages: { view: { run: () => ({ summary: { run: 'r'.repeat(10) } }) } } as never,
    acknowledge: async () => {},
    cancel: { may: () => false, run: async () => {} },
    people: signed,
    version: '1',
  });
  const { ask } = await listen(acknowledged.app, 'sign-in', 32 * 1024);
  const { csrf } = JSON.parse(
    (await ada.ask(`${origin}/sign-in/session`, { headers: { accept: 'application/json' } })).text,
  ) as { csrf: string };
  const json = (body: object) => ({
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
  const form = (fields: Record<string, string>) => ({
    method: 'POST',
    body: new URLSearchParams(fields).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin, cookie },
  });
  const own = { headers: { cookie } };
  const secret = 'A'.repeat(43);
  const authorize = new URLSearchParams({ service, state: secret, challenge: secret, here: '1' });
  ask('GET /.well-known/oauth-authorization-server', '', '/.well-known/oauth-authorization-server');
  ask('GET /sign-in', '', '/sign-in', own);
  ask('GET /sign-in/authorize', 'a code for a service', `/sign-in/authorize?${authorize}`, own);
  ask('GET /sign-in/start', 'begins', '/sign-in/start');
  ask('GET /sign-in/callback', 'that was not begun', '/sign-in/callback?code=x&state=s');
  ask('POST /sign-in/challenge', '', '/sign-in/challenge', { method: 'POST' });
  ask('POST /sign-in/key', 'no documents', '/sign-in/key', json({ 'sign-in': 'x.y.z', grant: 'x.y.z' }));
  ask('GET /sign-in/link', 'an unknown one', `/sign-in/link?code=${secret}`);
  ask('POST /sign-in/link', 'an unknown one', '/sign-in/link', form({ code: secret }));
  ask('GET /sign-in/device', '', '/sign-in/device', own);
  ask('POST /sign-in/device', 'begins', '/sign-in/device', form({ client_id: 'quorate-terminal' }));
  ask(
    'POST /sign-in/device/confirm',
    'no terminal',
    '/sign-in/device/confirm',
    form({ csrf, user_code: 'X' }),
  );
  const grant = { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: secret };
  ask('POST /sign-in/token', 'an unknown code', '/sign-in/token', form(grant));
  ask('GET /sign-in/session', '', '/sign-in/session', own);
  ask('GET /sign-in/events', '', '/sign-in/events', { ...own, leaveMs: 50 });
  ask(
    'POST /sign-in/exchange',
    'unknown',
    '/sign-in/exchange',
    json({ code: secret, verifier: secret, service }),
  );
  const sessions = Array.from({ length: 100 }, () => ({ handle: secret, exp: 0 }));
  ask('POST /sign-in/renew', '100 unknown sessions', '/sign-in/renew', json({ service, sessions }));
  ask('GET /sign-out', '', '/sign-out', own);
  ask('POST /sign-out', 'without the token', '/sign-out', form({ csrf: 'x' }));
  ask('POST /runs/:run/cancel', 'a run', '/runs/rrrrrrrrrr/cancel', form({ csrf }));
  ask('POST /runs/:run/acknowledge', 'an alarm', '/runs/rrrrrrrrrr/acknowledge', form({ csrf }));
}

async function watcher(listen: Listen): Promise<void> {
  const origin = 'http://127.0.0.1:4997';
  const people = await startSignIn(`origin = "${origin}"`);
  const ada = await signedInPublisher(people.app, origin, Date.now());
  const cookie = [...ada.cookies(origin)].map(([name, { value }]) => `${name}=${value}`).join('; ');
  const secret = 'secret';
  const pull = { title: 'better', author: 'm', base: 'main', since: 0, decision: null, ref: '' };
  const pulls = Array.from({ length: 100 }, (_, n) => ({
    ...pull,
    id: `${n}@${'a'.repeat(40)}`,
    pull: n,
    commit: 'a'.repeat(40),
  }));
  const app = watchApp({
    version: '1',
    label: 'quorate',
    badge: () => ({ level: 'trusted', commit: 'a'.repeat(40) }),
    webhook: { take: (parts) => void checkWebhook({ ...parts, kind: 'forgejo', secret, now: Date.now() }) },
  });
  app.route('/', approvalsApp({ people, pulls: () => pulls as never, decide: () => {} }));
  const published = Array.from({ length: 50 }, (_, n) => ({
    id: `refs/heads/b${n}@${'a'.repeat(40)}@${n}`,
    at: n,
    ref: `refs/heads/b${n}`,
    commit: 'a'.repeat(40),
    cause: { kind: 'push', rule: 'main' },
    status: { state: 'failure', says: 'it failed' },
    jobs: Array.from({ length: 20 }, (_, job) => ({ name: `job-${job}`, run: '', status: null })),
  }));
  app.route(
    '/',
    pipelinesApp({ people, publications: () => published as never, mayAgain: () => true, again: () => {} }),
  );
  const { ask } = await listen(app, 'watcher', webhookBytesMax);
  const body = `{"x":"${'x'.repeat(webhookBytesMax - 100)}"}`;
  const signed = createHmac('sha256', secret).update(body).digest('hex');
  const headers = { 'x-forgejo-signature': signed, 'x-gitea-delivery': 'd' };
  ask('POST /webhook', 'of 1 MiB', '/webhook', { method: 'POST', body, headers });
  ask('POST /webhook', 'of 1 MiB, forged', '/webhook', { method: 'POST', body });
  ask('GET /approvals', '100 pull requests', '/approvals', { headers: { cookie } });
  ask('GET /pipelines', '50 pipelines of 20 jobs', '/pipelines', { headers: { cookie } });
  ask('POST /pipelines', 'without the token', '/pipelines', {
    method: 'POST',
    body: 'csrf=x',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin, cookie },
  });
  ask('POST /approvals', 'without the token', '/approvals', {
    method: 'POST',
    body: 'csrf=x',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin, cookie },
  });
}

async function lender(listen: Listen): Promise<void> {
  const secret = 'f'.repeat(43);
  const secrets = { token: secret, session: secret, folder: secret, csrf: secret };
  let origin = '';
  const operator = idleOperator();
  const app = lenderApp({
    origin: () => origin,
    secrets,
    host: { cpus: 2, memoryBytes: 2 ** 32 },
    ask: async () => ({ ok: true, status: await operator.status(), missed: [] }) as never,
    wait: (ms) => new Promise((resolve) => setTimeout(() => resolve(true), ms)),
  });
  const { port, ask } = await listen(app, 'lender', 8 * 1024);
  origin = `http://127.0.0.1:${port}`;
  const at = (route: string, path: string, more: Partial<Example> = {}) =>
    ask(route, 'page of a worker', `/${secret}/${path}`, {
      ...more,
      headers: { cookie: `quorate-worker-ffffffff=${secret}`, ...more.headers },
    });
  const form = {
    method: 'POST',
    body: `csrf=${secret}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin },
  };
  at('GET /:folder/', '');
  // Few may follow at once, and it takes a second until one that left is missed.
  at('GET /:folder/events', 'events', { leaveMs: 200 });
  for (const verb of ['allow', 'drain', 'limits', 'pause', 'resume']) at(`POST /:folder/${verb}`, verb, form);
}

async function monitor(listen: Listen): Promise<void> {
  const registry = new Registry();
  meterProcess(registry);
  const app = metricsApp(registry);
  app.route('/', healthApp({ live: () => [], ready: () => [] }));
  const { ask } = await listen(app, 'monitor', 0);
  for (const path of ['metrics', 'healthz', 'readyz']) ask(`GET /${path}`, '', `/${path}`);
}

/** An archive of files of so many bytes, and of folders, whose names end with a slash. */
function tarOf(entries: readonly { name: string; bytes?: number }[]): Readable {
  const packer = pack();
  const fill = async () => {
    for (const { name, bytes = 0 } of entries)
      await new Promise<void>((resolve, reject) => {
        const done = (error?: Error | null) => (error ? reject(error) : resolve());
        if (name.endsWith('/')) packer.entry({ name, type: 'directory' }, done);
        else packer.entry({ name }, Buffer.alloc(bytes, name), done);
      });
    packer.finalize();
  };
  void fill();
  return Readable.from(packer as AsyncIterable<Uint8Array>, { objectMode: false });
}

/** Every word in another colour: about three times as long in a page. */
const colouredLine = (n: number): string =>
  `${Array.from({ length: 20 }, (_, word) => `\u001b[3${(n + word) % 8}mword-${word}\u001b[0m`).join(' ')}\n`;

let before = { cpu: process.cpuUsage(), left: 0 };
let spinning = false;
let held = 0;
const threadMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};
/** Turns shorter than this are not told apart: asking for processor time makes garbage. */
const leastMs = 0.5;

answer({
  serve,
  /** Processor time of requests, of all threads, is measured from here on. */
  begin() {
    before = { cpu: process.cpuUsage(), left: accounts.left(client) };
  },
  end() {
    const { user, system } = process.cpuUsage(before.cpu);
    return { cpuMs: (user + system) / 1000, charged: before.left - accounts.left(client) };
  },
  /** The longest turn of the event loop is measured from here on, in processor time: others may use the machine. */
  watch() {
    spinning = true;
    held = 0;
    let last = { at: performance.now(), ms: threadMs() };
    const turn = () => {
      const at = performance.now();
      if (at - last.at > leastMs) {
        const ms = threadMs();
        held = Math.max(held, ms - last.ms);
        last = { at, ms };
      }
      if (spinning) setImmediate(turn);
    };
    setImmediate(turn);
  },
  held() {
    spinning = false;
    return held;
  },
});
