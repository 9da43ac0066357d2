import { readdirSync, readFileSync } from 'node:fs';
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Hono } from 'hono';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { HttpEnv } from '../../src/http/env.ts';
import { feedApp } from '../../src/http/feed.ts';
import { listenHttp } from '../../src/http/listen.ts';
import { verifyPageApp } from '../../src/http/verify-page/app.ts';
import { verifyPage } from '../../src/http/verify-page/page-file.ts';
import { joseVerifier } from '../../src/identity/verifier.ts';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { decodeBundle, encodeBundle, signMessage } from '../../src/protocol/documents/index.ts';
import type { RevocationList } from '../../src/protocol/judge/index.ts';
import { type ReportLine, reportOf, verifyBundle } from '../../src/protocol/trust/index.ts';
import { quorate } from '../cli/support.ts';
import { viewOf } from '../http/support.ts';
import { type Real, realProject, scratch, tamper } from '../proof/support.ts';
import { carOf } from '../support/car.ts';
import { at, idp } from '../support/documents.ts';
import { programFolder } from '../support/program.ts';
import { makeProject, project } from '../support/project.ts';
import type { Vector } from '../vectors/vector.ts';
import { fits, looks, openChromium, view, violations } from './support/chromium.ts';

const url = pathToFileURL(join(programFolder, 'verify.html')).href;
const vectorFolder = join(import.meta.dirname, '../vectors/bundle');
const vectors: Vector[] = readdirSync(vectorFolder).flatMap((file) =>
  JSON.parse(readFileSync(join(vectorFolder, file), 'utf8')),
);

let browser: Browser;
let real: Real;
beforeAll(async () => {
  browser = await openChromium();
  real = await realProject();
});
afterAll(() => browser.close());

async function opened(fragment = '') {
  const viewed = await view(browser, { offline: true });
  await viewed.page.goto(url + fragment);
  return viewed;
}

/** The root key as its reader types it. */
const typeKey = (page: Page) => page.getByLabel('Root key').fill(project);

/** Gives the page a list of revocations without one. */
const giveNoRevocations = (page: Page) =>
  page.locator('#revocations').setInputFiles({
    name: 'list.json',
    mimeType: 'application/json',
    buffer: Buffer.from('{"charters":[],"revocations":[]}'),
  });
/** Lines about revocations that the page, or a terminal, knows of. */
const isKnowledge = (line: string) => /^(revoked |reading |What was revoked since)/.test(line);

/** The lines of the result, in order. */
async function verify(page: Page): Promise<string[]> {
  await page.getByRole('button', { name: 'Verify' }).click();
  const last = page.locator('#result > p.last');
  await last.waitFor();
  return page.locator('#result li, #result > p').allInnerTexts();
}

/** Without the marks of a terminal's layout. */
const plain = (lines: readonly string[]) =>
  lines.map((line) => line.replace(/\s+/g, ' ').trim()).filter((line) => line !== '');

const shown = (line: ReportLine) =>
  line.kind === 'step'
    ? `${line.ok ? 'ok' : 'no'} ${line.step}: ${line.says}`
    : line.kind === 'level'
      ? line.level
      : line.kind === 'fact'
        ? `${line.label} ${line.says}`
        : line.says;

/** The report of Node on a bundle, as lines, or the code with which it is refused. */
async function inNode(raw: string): Promise<string[]> {
  try {
    return plain(reportOf(await verifyBundle(decodeBundle(raw), { project }, joseVerifier)).map(shown));
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    return [`proves nothing: ${error.message}`];
  }
}

async function give(page: Page, raw: string): Promise<void> {
  await page
    .locator('#bundle')
    .setInputFiles({ name: 'it.bundle', mimeType: 'application/json', buffer: Buffer.from(raw) });
}

describe('the page that verifies, in Chromium, from a file and without a network', () => {
  it('says of each bundle of the vectors what Node says', async () => {
    const { page, requests } = await opened();
    const told: Record<string, string[]> = {};
    const wanted: Record<string, string[]> = {};
    for (const { name, raw } of vectors) {
      await page.reload();
      await typeKey(page);
      await giveNoRevocations(page);
      await give(page, raw);
      const lines = plain(await verify(page)).filter((line) => !isKnowledge(line));
      const unreadable = lines.flatMap(
        (line) => /(proves nothing: .*) \[VERIFY_INPUT_INVALID\]/.exec(line)?.[1] ?? [],
      );
      told[name] = unreadable.length > 0 ? unreadable : lines.slice(0, -1);
      wanted[name] = plain(await inNode(raw));
    }
    expect(Object.keys(told).length).toBe(vectors.length);
    expect(told).toEqual(wanted);
    expect(requests).toEqual([]);
  });

  it('prints of real files, folders and archives the lines that quorate verify prints', async () => {
    const car = join(real.dir, 'tool.car');
    await writeFile(car, await carOf(real.tool));
    const { page } = await opened('#ref=main');
    await typeKey(page);
    await giveNoRevocations(page);
    await page.locator('#bundle').setInputFiles(real.bundleFile);
    const terminal = async (path: string) => {
      const args = ['verify', path, '--bundle', 'tool.bundle', '--project', project, '--ref', 'main'];
      const { out } = await quorate(args, { cwd: real.dir });
      return plain(out.split('\n')).filter((line) => !isKnowledge(line));
    };
    const here = async (id: string, path: string) => {
      await page.locator(id).setInputFiles(path);
      return plain(await verify(page)).filter((line) => !isKnowledge(line));
    };
    const named = (lines: string[], path: string, as: string) =>
      lines.map((line) => (line.startsWith(path) ? as + line.slice(path.length) : line));
    expect(await here('#files', join(real.tool, 'bin/app'))).toEqual(
      named(await terminal('tool/bin/app'), 'tool/bin/app', 'app'),
    );
    // The script is executable in the artifact, which the page cannot see and finds out.
    expect(await here('#folder', real.tool)).toEqual(await terminal('tool'));
    expect(await here('#files', car)).toEqual(named(await terminal('tool'), 'tool can', 'tool.car can'));
    const changed = join(await scratch(), 'app');
    await cp(join(real.tool, 'bin/app'), changed);
    await tamper(changed);
    expect(await here('#files', changed)).toEqual(named(await terminal(changed), changed, 'app'));
  });

  it('refuses a folder with another file, less or more than the artifact, and an archive that was changed', async () => {
    const { page } = await opened();
    await typeKey(page);
    await page.locator('#bundle').setInputFiles(real.bundleFile);
    const answer = async (id: string, path: string) => {
      await page.locator(id).setInputFiles(path);
      return (await verify(page)).filter((line) => line.startsWith('no '));
    };
    const dir = await scratch();
    const copy = async (name: string) => {
      await cp(real.tool, join(dir, name), { recursive: true });
      return join(dir, name);
    };
    const changed = await copy('changed');
    await tamper(join(changed, 'version'));
    expect(await answer('#folder', changed)).toEqual([
      expect.stringMatching(/^no files: version: its sha256 is [0-9a-f]{64}; .*\[FILES_TREE_MISMATCH\]$/),
    ]);
    const less = await copy('less');
    await rm(join(less, 'version'));
    expect(await answer('#folder', less)).toEqual([
      expect.stringMatching(/version of the artifact is not among/),
    ]);
    const more = await copy('more');
    await writeFile(join(more, 'extra'), 'x');
    expect(await answer('#folder', more)).toEqual([
      expect.stringMatching(/extra: the artifact has no such file/),
    ]);
    const car = await carOf(real.tool);
    for (const [name, bytes, code] of [
      [
        'flipped',
        Buffer.concat([car.subarray(0, -1), Buffer.from([(car.at(-1) ?? 0) ^ 1])]),
        'TRANSFER_HASH_MISMATCH',
      ],
      ['cut', car.subarray(0, -1), 'CAR_MALFORMED'],
      ['longer', Buffer.concat([car, car.subarray(59)]), 'TRANSFER_EXCESS_DATA'],
    ] as const) {
      await writeFile(join(dir, `${name}.car`), bytes);
      expect(await answer('#files', join(dir, `${name}.car`))).toEqual([
        expect.stringContaining(`[${code}]`),
      ]);
    }
  });

  it('says so where the evidence is of another project, or not trusted', async () => {
    const { page } = await opened();
    await page.getByLabel('Root key').fill('12D3KooWnobody');
    await page.locator('#bundle').setInputFiles(real.bundleFile);
    expect(await verify(page)).toEqual([
      'not the PeerId of an Ed25519 key: 12D3KooWnobody [KEY_INVALID]',
      expect.stringContaining('It begins with 12D3KooW'),
    ]);
    const agreed = await makeProject({ own: null });
    await page.getByLabel('Root key').fill(project);
    await give(page, encodeBundle(agreed.bundle));
    expect((await verify(page)).at(-1)).toMatch(/level is not trusted|does not hold/);
  });

  it('is green only with what its server, another one or a file says of revocations', async () => {
    const what = { kind: 'artifact' as const, id: real.cid };
    const about = { iss: idp.id, project, what, since: 0, reason: 'it phones home', iat: at };
    const { raw } = await signMessage('revocation', about, idp.signer);
    const revoked = { charters: [real.bundle.charter], revocations: [raw] };
    // The file of a home says when members were asked; what a server says of that is nobody's.
    let known: RevocationList & { askedAt?: number } = { charters: [], revocations: [], askedAt: Date.now() };
    const feed = feedApp(
      viewOf({ revocations: () => known, checkpoint: () => undefined, charter: () => undefined }),
    );
    const app = new Hono<HttpEnv>().route('/', feed).route('/', verifyPageApp(verifyPage));
    const server = await listenHttp({ host: '127.0.0.1', port: 0, app, limits: { requestsBurst: 1_000 } });
    onTestFinished(() => server.close());
    const origin = `http://127.0.0.1:${server.port}`;
    const { page, faults, requests } = await view(browser, {});
    const classOf = () => page.locator('#result > p.last').getAttribute('class');
    const asked = async (address: string, fragment = '') => {
      await page.goto('about:blank');
      await page.goto(`${address}#${fragment}`);
      await typeKey(page);
      await page.locator('#bundle').setInputFiles(real.bundleFile);
      await page.locator('#files').setInputFiles(join(real.tool, 'bin/app'));
      return (await verify(page)).join(' ');
    };
    // Its own server, unless a person names none.
    const fresh = await asked(`${origin}/verify`);
    expect(fresh).toContain(`nothing, by ${origin}; nothing shows how old that is`);
    expect(fresh).toContain('What was revoked since may be missing');
    expect(await classOf()).toBe('last good');
    // A link names no other one.
    const linked = await asked(`${origin}/verify`, 'server=http://127.0.0.1:1');
    expect(linked).toContain(`nothing, by ${origin}`);
    expect(await asked(`${origin}/verify`, 'server=')).toContain('nobody was asked');
    expect(await classOf()).toBe('last open');
    known = revoked;
    expect(await asked(`${origin}/verify`)).toContain('[ARTIFACT_REVOKED]');
    expect(await classOf()).toBe('last bad');
    // Opened as a file it asks another server.
    expect(await asked(url, `server=${origin}`)).toContain('[ARTIFACT_REVOKED]');
    expect(await asked(url)).toContain('nobody was asked');
    expect(await asked(url, 'server=http://127.0.0.1:1')).toContain('[VERIFY_SERVER_UNREACHABLE]');
    expect(await asked(url, 'server=javascript:alert(1)')).toContain('[VERIFY_INPUT_INVALID]');
    const paths = requests.map((one) => one.replace(/http:\/\/[^/]+/, ''));
    const lists = ['revocations', 'charter', 'checkpoint'].map((name) => `GET /v1/${project}/${name}`);
    expect([...new Set(paths)].sort()).toEqual([...lists, 'GET /verify'].sort());
    // The browser notes what a server did not have, or was not there to give.
    expect(faults.filter((fault) => !fault.startsWith('Failed to load resource'))).toEqual([]);
    faults.length = 0;
  });

  it('verifies the run of a link with what its own server has, and says whose word the root key is', async () => {
    const run = 'ab'.repeat(32);
    const feed = feedApp(
      viewOf({
        checkpoint: () => undefined,
        charter: () => undefined,
        bundle: async () => encodeBundle(real.bundle),
        async *tree() {
          yield await carOf(real.tool);
        },
      }),
    );
    const app = new Hono<HttpEnv>().route('/', feed).route('/', verifyPageApp(verifyPage));
    const server = await listenHttp({ host: '127.0.0.1', port: 0, app, limits: { requestsBurst: 1_000 } });
    onTestFinished(() => server.close());
    const origin = `http://127.0.0.1:${server.port}`;
    const { page, faults } = await view(browser, {});
    const last = page.locator('#result > p.last');
    await page.goto(`${origin}/verify#project=${project}&run=${run}&artifact=${real.cid}`);
    await last.waitFor();
    const lines = plain(await page.locator('#result li').allInnerTexts()).join(' ');
    expect(lines).toContain(`fetched from ${origin}: the bundle (`);
    expect(lines).toContain(
      'The root key came with the link, so this holds if you trust whoever made the link.',
    );
    expect([await last.textContent(), await last.getAttribute('class')]).toEqual([
      'the artifact can be trusted, if the root key of the link is that of the project.',
      'last open',
    ]);
    expect(await page.locator('#result .good.last').count()).toBe(0);
    expect(await page.locator('#handed').isVisible()).toBe(true);
    expect(await violations(page)).toEqual([]);
    // Typed by the reader, it is theirs.
    await page.locator('#project').fill(project);
    await page.getByRole('button', { name: 'Verify' }).click();
    await page.locator('#result > p.last.good').waitFor();
    expect((await page.locator('#result li').allInnerTexts()).join(' ')).not.toContain('came with the link');
    // Opened as a file there is no server to fetch from.
    await page.goto(`${url}#project=${project}&run=${run}&artifact=${real.cid}`);
    expect(await page.locator('#handed').isVisible()).toBe(false);
    expect(faults.filter((fault) => !fault.startsWith('Failed to load resource'))).toEqual([]);
    faults.length = 0;
  });

  it('is not green on files of a sender who named the root key in the link too, until it is typed', async () => {
    const { page } = await opened(`#project=${project}`);
    await page.locator('#bundle').setInputFiles(real.bundleFile);
    await page.locator('#files').setInputFiles(join(real.tool, 'bin/app'));
    await giveNoRevocations(page);
    expect((await verify(page)).join(' ')).toMatch(
      new RegExp(`The root key came with the link, .* Compare it .*: ${project}`),
    );
    const last = page.locator('#result > p.last');
    expect(await last.getAttribute('class')).toBe('last open');
    expect(await page.locator('#result .good.last').count()).toBe(0);
    await typeKey(page);
    expect((await verify(page)).join(' ')).not.toContain('came with the link');
    await page.locator('#result > p.last.good').waitFor();
  });

  it('is not green for the key of a link where another one was typed before the answer', async () => {
    const arrived = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const app = new Hono<HttpEnv>()
      .use('/v1/*', async (_, next) => {
        arrived.resolve();
        await held.promise;
        await next();
      })
      .route('/', feedApp(viewOf({ checkpoint: () => undefined, charter: () => undefined })))
      .route('/', verifyPageApp(verifyPage));
    const server = await listenHttp({ host: '127.0.0.1', port: 0, app, limits: { requestsBurst: 1_000 } });
    onTestFinished(() => server.close());
    const { page, faults } = await view(browser, {});
    await page.goto(`http://127.0.0.1:${server.port}/verify#project=${project}`);
    await page.locator('#bundle').setInputFiles(real.bundleFile);
    await page.getByRole('button', { name: 'Verify' }).click();
    await arrived.promise;
    await page.locator('#project').fill(idp.id);
    held.resolve();
    await page.locator('#result > p.last').waitFor();
    expect(await page.locator('#result .good.last').count()).toBe(0);
    expect(await page.locator('#result').textContent()).toContain(`or type that in: ${project}`);
    faults.length = 0;
  });

  it('runs no script of foreign text', async () => {
    const { page } = await opened(`#project=${encodeURIComponent('<img src=x onerror=alert(1)>')}`);
    await page
      .locator('#bundle')
      .setInputFiles({ name: '<img src=x onerror=alert(1)>', mimeType: 'x', buffer: Buffer.from('{}') });
    await verify(page);
    expect(await page.locator('img').count()).toBe(0);
  });

  it.each(looks)('has no violation of WCAG A and AA, $width px wide, $scheme', async (look) => {
    const { page } = await view(browser, look);
    await page.goto(`${url}#project=${project}&ref=main`);
    expect(await violations(page)).toEqual([]);
    await page.locator('#bundle').setInputFiles(real.bundleFile);
    await page.locator('#folder').setInputFiles(real.tool);
    await verify(page);
    await page.evaluate(() => {
      for (const details of document.querySelectorAll('details')) details.open = true;
    });
    expect(await violations(page)).toEqual([]);
    expect(await fits(page)).toBe(true);
  });

  it('says without JavaScript what does the same', async () => {
    const { page } = await view(browser, { javaScript: false });
    await page.goto(url);
    expect(await page.locator('noscript').textContent()).toContain('quorate verify');
  });
});
