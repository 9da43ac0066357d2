import { createHmac } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { checkWebhook, type ForgeKind, forgeKinds, openForge } from '../../../src/forge/index.ts';
import { parseSignInSettings } from '../../../src/identity/oidc/settings.ts';
import { openJournal } from '../../../src/journal/index.ts';
import { reportedError } from '../../../src/protocol/base/errors.ts';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import { matchesRef, parseRefPattern } from '../../../src/watcher/machine/hook-refs.ts';
import { exampleWatchFile } from '../../../src/watcher/node/example-file.ts';
import { openHookFolder } from '../../../src/watcher/node/hook-folder.ts';
import { parseWatchFile } from '../../../src/watcher/node/watch-file.ts';
import { webhookApp } from '../../../src/watcher/page/index.ts';
import { askWorker, serveControl } from '../../../src/worker/node/control.ts';
import { lenderApp } from '../../../src/worker/page/app.ts';
import { ContractServer } from '../../forge/contract-server.ts';
import { cidOf, commit, project, repo } from '../../support/documents.ts';
import { idleOperator } from '../../support/operator.ts';
import { mutatedJson, mutatedText } from '../arbitraries.ts';
import { Scratch } from '../corpus.ts';
import { type Asked, requestOf, taken } from '../requests.ts';
import { type AnyTarget, define, must } from '../target.ts';

const secret = 'a-secret-of-the-webhook';
const now = 1_700_000_000_000;
const delivery = '0b989ba4-242f-11e5-81e1-c7b6966d2516';
const pushed = JSON.stringify({ ref: 'refs/heads/main', after: commit });

/** A valid webhook; `@hmac` stands for what one who knows the secret computes of the body. */
const webhooks: Record<ForgeKind, { headers: object; body: string }> = {
  forgejo: { headers: { 'x-forgejo-signature': '@hmac', 'x-gitea-delivery': delivery }, body: pushed },
  gitea: { headers: { 'x-gitea-signature': '@hmac', 'x-gitea-delivery': delivery }, body: pushed },
  github: {
    headers: { 'x-hub-signature-256': 'sha256=@hmac', 'x-github-delivery': delivery },
    body: pushed,
  },
  gitlab: { headers: { 'x-gitlab-token': secret, 'x-gitlab-event-uuid': delivery }, body: pushed },
  pagure: {
    headers: { 'x-pagure-signature-256': '@hmac' },
    body: JSON.stringify({ msg_id: '2026-0b989ba4', timestamp: now / 1000, topic: 'git.receive' }),
  },
};

const webhook = (kind: ForgeKind): AnyTarget =>
  define<Asked>({
    name: `webhook-${kind}`,
    seeds: async () => {
      const { headers, body } = webhooks[kind];
      return [{ method: 'POST', path: '/webhook', headers: JSON.stringify(headers), body }];
    },
    arbitrary: (seeds) =>
      fc.record({
        method: fc.constant('POST'),
        path: fc.constant('/webhook'),
        headers: mutatedJson(seeds.map(({ headers }) => headers)),
        body: fc.oneof(
          mutatedJson(seeds.map(({ body }) => body)),
          mutatedText(seeds.map(({ body }) => body)),
        ),
      }),
    async run(asked) {
      const hmac = createHmac('sha256', secret).update(toUtf8(asked.body)).digest('hex');
      const headers = asked.headers.replaceAll('@hmac', hmac);
      let delivered = '';
      const app = webhookApp({
        take(parts) {
          delivered = checkWebhook({ ...parts, kind, secret, now }).delivery;
        },
      });
      app.onError((error) => {
        throw error;
      });
      await taken(await app.request(requestOf('http://127.0.0.1', { ...asked, headers })));
      must(
        headers.includes(kind === 'gitlab' ? secret : hmac),
        'a webhook of one who does not know the secret',
      );
      must(/^[\w-]{8,100}$/.test(delivered), 'an id of a delivery that cannot be kept');
    },
  });

let forge: Promise<ContractServer> | undefined;
const user = 'ada';
const pulls: Partial<Record<ForgeKind, unknown>> = {
  forgejo: [{ number: 1, title: 'A', user: { login: user }, labels: [{ name: 'x' }], base: { ref: 'main' } }],
  gitlab: [{ iid: 1, title: 'A', author: { username: user }, labels: ['x'], target_branch: 'main' }],
  pagure: { requests: [{ id: 1, title: 'A', user: { name: user }, tags: ['x'], branch: 'main' }] },
};

/** Answers of a forge, or of a server in its place. */
const forgeAnswer = (kind: ForgeKind): AnyTarget =>
  define<{ status: number; body: string }>({
    name: `forge-answer-${kind}`,
    seeds: async () => [{ status: 200, body: JSON.stringify(pulls[kind]) }],
    arbitrary: (seeds) =>
      fc.record({
        status: fc.constantFrom(200, 200, 200, 200, 201, 301, 400, 401, 404, 429, 500),
        body: fc.oneof(
          mutatedJson(seeds.map(({ body }) => body)),
          mutatedText(seeds.map(({ body }) => body)),
        ),
      }),
    // One connection each.
    msMax: 200,
    async run(answer) {
      forge ??= ContractServer.start();
      const server = await forge;
      server.answer(() => answer);
      server.requests.length = 0;
      const opened = openForge({ kind, api: server.url, project: 'ada/tool', token: 'a-token' });
      const signal = AbortSignal.timeout(5_000);
      try {
        for (const { pull, title, author, labels } of (await opened.openPulls(signal)).pulls) {
          must(Number.isSafeInteger(pull) && pull > 0, 'a pull request with another number');
          must(!/\p{Cc}/u.test(title + author), 'text that is not harmless');
          must(labels.length <= 100, 'more labels than are looked at');
        }
        must(server.requests.length <= 10, 'a list without end is read on');
        await opened.setStatus({ commit, context: 'quorate', state: 'success', says: 'trusted' }, signal);
      } finally {
        await opened.close();
      }
    },
    async close() {
      await (await forge)?.close();
      forge = undefined;
    },
  });

const toml = ['[', ']', '[[rule]]', ' = ', '"', '\n', '"'.repeat(3), '{', '-1', '1e999', 'inf', '__proto__'];
const watchFile = define<string>({
  name: 'watch-file',
  seeds: async () => [
    exampleWatchFile,
    exampleWatchFile.replace(/^# (\[|[a-z-]+ = )/gm, '$1'),
    '[repository]\nurl = "https://git.example/a"\n[[rule]]\nname = "a"\nbranches = ["*"]\ncron = "0 3 * * *"\n',
  ],
  arbitrary: (seeds) => mutatedText(seeds, [...toml, '* * * * *', '1-59/7', '**', 'L', '@yearly']),
  msMax: 200,
  run(text) {
    const { pollMs, listen, forge: at } = parseWatchFile(text, 'watch.toml');
    must(pollMs >= 1_000 && pollMs <= 86_400_000, 'a repository that is looked at without pause');
    must(listen === undefined || listen.port < 65_536, 'a port that is none');
    must(at === undefined || /^https?:/.test(at.api), 'a forge that is not of the web');
  },
});

const signInFile = define<string>({
  name: 'sign-in-file',
  seeds: async () => [
    `origin = "https://ci.example"\nrevoked = ["bob"]\nservices = ["https://a.example"]
[provider]\nissuer = "https://login.example"\nclient-id = "quorate"\nscopes = ["groups"]
[sessions]\nlast = "8h"\nidle = "1h"
[[rules]]\nclaim = "groups"\ncontains = "maintainers"\nrole = "publisher"
[[rules]]\nclaim = "email"\nis = "rita@example.org"\nrole = "reader"\n`,
    'origin = "http://127.0.0.1:4998"\n[idp]\nurl = "https://idp.example"\n',
  ],
  arbitrary: (seeds) =>
    mutatedText(seeds, [...toml, '[[rules]]', 'http://', '@', '#', '/', ':0', 'javascript:']),
  msMax: 200,
  run(text) {
    const { origin, provider, idp, sessionMs, idleMs } = parseSignInSettings(text, 'sign-in.toml');
    for (const address of [origin, provider?.issuer, idp])
      must(
        address === undefined || /^https:|^http:\/\/(127\.|localhost|\[::1)/.test(address),
        `${address} has no TLS`,
      );
    must(idleMs <= sessionMs && sessionMs <= 86_400_000, 'a session without end');
  },
});

const refPattern = define<{ pattern: string; ref: string }>({
  name: 'hook-ref-pattern',
  seeds: async () => [
    { pattern: 'main', ref: 'refs/heads/main' },
    { pattern: 'refs/tags/v*', ref: 'refs/tags/v1' },
    { pattern: 'release-*/*', ref: 'refs/heads/release-1/a' },
  ],
  arbitrary: (seeds) =>
    fc.record({
      pattern: mutatedText(
        seeds.map(({ pattern }) => pattern),
        ['*', '**', '?', '[a]', '{a,b}', '!', 'refs/pull/'],
      ),
      ref: mutatedText(
        seeds.map(({ ref }) => ref),
        ['/', 'aaaa', '.', 'refs/pull/1/head', 'refs/heads/'],
      ),
    }),
  run({ pattern, ref }) {
    const parsed = parseRefPattern(pattern);
    if (!matchesRef([parsed], ref)) return;
    must(/^refs\/(heads|tags)\/./.test(ref), 'a command runs for what is neither a branch nor a tag');
    if (!pattern.includes('**'))
      must(ref.split('/').length === parsed.full.split('/').length, 'a star stands for a slash');
  },
});

const run = cidOf('run');
const place = { repo, ref: 'refs/heads/main', name: 'build', index: 3 };
const hookScratch = new Scratch();
let hooks = 0;
const hookJournal = define<string>({
  name: 'hook-journal',
  seeds: async () => [
    JSON.stringify([
      { kind: 'started', subject: run, place, artifact: cidOf('tree') },
      { kind: 'ended', subject: run, outcome: { kind: 'exit', code: 0 } },
      { kind: 'refused', subject: `revoked:${run}`, code: 'NOT_TRUSTED', message: 'no' },
    ]),
    JSON.stringify([{ kind: 'ended', subject: run, outcome: { kind: 'signal', signal: 'SIGKILL' } }]),
  ],
  arbitrary: mutatedJson,
  // A data base is made, written to disk, and opened again.
  msMax: 400,
  async run(text) {
    let events: unknown;
    try {
      events = JSON.parse(text);
    } catch {
      events = [];
    }
    const home = join(await hookScratch.dir(), String(hooks++));
    const file = join(home, 'hooks', project, 'a', 'journal.db');
    const journal = openJournal<unknown>(file, { name: `hook a of ${project}`, rules: 1 });
    const list = Array.isArray(events) ? events.slice(0, 50) : [events];
    for (const event of list) journal.append(event, now);
    journal.close();
    try {
      const { ledger, close } = await openHookFolder(home, project, 'a');
      await close();
      must(ledger.open.length + ledger.unfinished.length <= 2 * list.length, 'more came out than went in');
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  },
  close: () => hookScratch.close(),
});

const operatorScratch = new Scratch();
/** A worker without builds, behind its socket. */
async function withWorker(use: (home: string) => Promise<void>): Promise<void> {
  const home = await operatorScratch.dir();
  const operator = idleOperator();
  const close = await serveControl(home, project, operator);
  try {
    await use(home);
  } finally {
    operator.close();
    await close();
  }
}

function lineOver(path: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(path, () => socket.write(`${line}\n`));
    socket.setEncoding('utf8').setTimeout(6_000, () => socket.destroy(new Error('no answer')));
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    // A line that is too long breaks off.
    socket.on('error', () => {});
    socket.on('close', () => (text === '' ? reject(new Error('closed without an answer')) : resolve(text)));
  });
}

const control = define<string>({
  name: 'control-socket',
  seeds: async () => ['{"do":"status"}', '{"do":"pause"}', '{"do":"limits","cpus":1,"jobsAtOnce":1}'],
  arbitrary: (seeds) => fc.oneof(mutatedJson(seeds), mutatedText(seeds)),
  msMax: 200,
  run: (text) =>
    withWorker(async (home) => {
      const line = text.replaceAll('\n', ' ');
      const answer = JSON.parse(await lineOver(join(home, 'control', `${project.slice(-12)}.sock`), line));
      if (answer.error !== undefined) throw reportedError(answer.error.code, answer.error.message);
      must(answer.ok.status.lending.cpus > 0, 'nothing is lent any more');
    }),
  close: () => operatorScratch.close(),
});

const origin = 'http://127.0.0.1:4711';
const secrets = {
  token: 't'.repeat(43),
  session: 's'.repeat(43),
  folder: 'f'.repeat(43),
  csrf: 'c'.repeat(43),
};
const browser = { host: '127.0.0.1:4711', cookie: `quorate-worker-ffffffff=${secrets.session}` };
const lenderHeaders = JSON.stringify({
  ...browser,
  origin,
  'sec-fetch-site': 'same-origin',
  'content-type': 'application/x-www-form-urlencoded',
});
const lenderAsks = (method: string, path: string, body = ''): Asked => ({
  method,
  path,
  headers: lenderHeaders,
  body,
});
const lender = define<Asked>({
  name: 'lender-page',
  seeds: async () => [
    lenderAsks('GET', `/?token=${secrets.token}`),
    lenderAsks('GET', `/${secrets.folder}/?done=pause`),
    lenderAsks('GET', `/${secrets.folder}/events`),
    lenderAsks('POST', `/${secrets.folder}/drain`, `csrf=${secrets.csrf}`),
    lenderAsks(
      'POST',
      `/${secrets.folder}/limits`,
      `csrf=${secrets.csrf}&cpus=1&memoryBytes=128MiB&pids=none`,
    ),
    {
      ...lenderAsks('POST', `/${secrets.folder}/pause`),
      headers: lenderHeaders.replace(
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=form-0123456789',
      ),
      body: `--form-0123456789\r\ncontent-disposition: form-data; name="csrf"\r\n\r\n${secrets.csrf}\r\n--form-0123456789--\r\n`,
    },
  ],
  arbitrary: (seeds) =>
    fc.constantFrom(...seeds).chain((seed) =>
      fc.record({
        method: fc.constantFrom(seed.method, seed.method, 'GET', 'POST', 'PUT'),
        path: fc.oneof(fc.constant(seed.path), mutatedText([seed.path], ['%', '%2f', '..', 'é', '?token='])),
        headers: fc.oneof(
          fc.constant(seed.headers),
          mutatedJson([seed.headers]),
          mutatedText([seed.headers], ['é', ';', '=', 'multipart/form-data', secrets.session]),
        ),
        body: fc.oneof(
          fc.constant(seed.body),
          mutatedText([seed.body], ['é', '&', '=', '[]', 'csrf=', '%', '%ff', '1e9', '-1', '__proto__=1']),
        ),
      }),
    ),
  msMax: 200,
  run: (asked) =>
    withWorker(async (home) => {
      const app = lenderApp({
        origin: () => origin,
        secrets,
        host: { cpus: 2, memoryBytes: 2 ** 32 },
        ask: (request) => askWorker(home, project, request),
        wait: async () => false,
      });
      app.onError((error) => {
        throw error;
      });
      await taken(await app.request(requestOf(origin, asked)));
      const { status } = await askWorker(home, project, { do: 'status' });
      const isForm = asked.method === 'POST' && asked.body.includes(secrets.csrf);
      must(status.state === 'working' || isForm, 'something was changed without the text of the form');
      if (asked.path.includes('/static/')) return;
      const isKnown = asked.headers.includes(secrets.session) || asked.path.includes(secrets.token);
      must(isKnown, 'a page was shown to one who does not know its secrets');
    }),
  close: () => operatorScratch.close(),
});

export const targets: readonly AnyTarget[] = [
  ...forgeKinds.map(webhook),
  ...(['forgejo', 'gitlab', 'pagure'] as const).map(forgeAnswer),
  watchFile,
  signInFile,
  refPattern,
  hookJournal,
  control,
  lender,
];
