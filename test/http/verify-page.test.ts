import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeBundle } from '../../src/core/documents/index.ts';
import { QuorateError } from '../../src/core/errors.ts';
import { verifyPageApp } from '../../src/http/verify-page/app.ts';
import { check, type Question } from '../../src/http/verify-page/browser/check.ts';
import { contentOf, type GivenFile } from '../../src/http/verify-page/browser/content.ts';
import { openWebVerifier } from '../../src/identity/web-verifier.ts';
import { type Real, realProject, scratch } from '../proof/support.ts';
import { carOf } from '../support/car.ts';
import { programFolder } from '../support/program.ts';
import { project } from '../support/project.ts';

let real: Real;
beforeAll(async () => {
  real = await realProject();
});

/** A file on disk, as a browser gives it. */
async function given(file: string, path: string): Promise<GivenFile> {
  return { path, size: (await stat(file)).size, read: () => createReadStream(file) };
}

async function folder(dir: string): Promise<GivenFile[]> {
  const names = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(files.map((file) => given(file, file.slice(dir.length + 1))));
}

async function ask(files: GivenFile[], isFolder: boolean, over: Partial<Question> = {}) {
  const name = 'it';
  const content = await contentOf(files, isFolder, () => {}, AbortSignal.timeout(60_000)).catch(
    (error: unknown) => {
      if (error instanceof QuorateError) return error;
      throw error;
    },
  );
  const text = encodeBundle(real.bundle);
  const bundle = { name: 'tool.bundle', bytes: text.length, text: async () => text };
  return check({ project, bundle, artifact: { name, given: content }, ...over }, await openWebVerifier());
}

describe('what the page that verifies computes', () => {
  it('finds a folder to be the artifact, executable files included', async () => {
    const { isTrusted, last, result } = await ask(await folder(real.tool), true);
    expect({ isTrusted, last }).toEqual({ isTrusted: true, last: 'it can be trusted.' });
    expect(result.steps.at(-1)?.says).toBe(`Recomputed from the files: they are ${real.cid}, all of it.`);
  });

  it('finds the archive of a controller, and a file by its hash and path', async () => {
    const file = join(await scratch(), 'a.car');
    await writeFile(file, await carOf(real.tool));
    expect(await ask([await given(file, 'a.car')], false)).toMatchObject({ isTrusted: true });
    const app = [await given(join(real.tool, 'bin/app'), 'app')];
    expect(await ask(app, false)).toMatchObject({ last: 'it can be trusted, as bin/app of the artifact.' });
    expect(await ask(app, false, { path: 'version' })).toMatchObject({
      isTrusted: false,
      result: { code: 'FILES_PATH_MISMATCH' },
    });
  });

  it('compares file by file where executable bits cannot be found out, and says what it leaves out', async () => {
    const data = await realProject({}, [['bin/data', 'no program\n']]);
    const own = { bundle: { name: 'b', bytes: 1, text: async () => encodeBundle(data.bundle) } };
    const { isTrusted, result } = await ask(await folder(data.tool), true, own);
    expect(isTrusted).toBe(true);
    expect(result.steps.at(-1)?.says).toMatch(/each of \d files has .* a browser does not tell them/);
    const less = (await folder(data.tool)).filter(({ path }) => path !== 'bin/data');
    expect(await ask(less, true, own)).toMatchObject({
      isTrusted: false,
      result: { code: 'FILES_TREE_MISMATCH' },
    });
  });

  it('says of an old verdict, of evidence alone and of a file that is no bundle what it is', async () => {
    const now = Date.now();
    const app = [await given(join(real.tool, 'bin/app'), 'app')];
    expect(await ask(app, false, { age: { now, maxAgeSeconds: 60 } })).toMatchObject({
      isTrusted: false,
      result: { code: 'VERDICT_TOO_OLD' },
    });
    const alone = await ask([], false, { artifact: undefined });
    expect(alone).toMatchObject({
      isTrusted: false,
      last: 'The evidence holds. No file was compared with it.',
    });
    const bundle = { name: 'x', bytes: 2, text: async () => '{}' };
    await expect(ask(app, false, { bundle })).rejects.toMatchObject({ code: 'VERIFY_BUNDLE_UNREADABLE' });
    const large = { ...bundle, bytes: 2 ** 40 };
    await expect(ask(app, false, { bundle: large })).rejects.toMatchObject({
      code: 'VERIFY_BUNDLE_TOO_LARGE',
    });
  });
});

describe('the page as it is served', () => {
  it('allows its own script and style, and no connection', async () => {
    const html = await readFile(join(programFolder, 'verify.html'));
    const text = html.toString('utf8');
    const policy = /http-equiv="content-security-policy" content="([^"]+)"/.exec(text)?.[1] ?? '';
    const hashOf = (tag: string) => {
      const inner = new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(text)?.[1] ?? '';
      return `'sha256-${createHash('sha256').update(inner).digest('base64')}'`;
    };
    expect(policy).toContain(`script-src ${hashOf('script')};`);
    expect(policy).toContain(`style-src ${hashOf('style')};`);
    expect(policy).toContain("connect-src 'none'");
    expect(text.match(/<script/g)).toHaveLength(1);
    // Nothing in it is fetched from elsewhere.
    expect(text).not.toMatch(/<(?:script|img|link|iframe)[^>]+(?:src|href)="(?!data:)/);
    const app = verifyPageApp(async () => ({ html, policy }));
    const answer = await app.request('/verify');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-security-policy')).toBe(`${policy}; frame-ancestors 'none'`);
    expect(Buffer.from(await answer.arrayBuffer()).equals(html)).toBe(true);
    const etag = answer.headers.get('etag') ?? '';
    expect((await app.request('/verify', { headers: { 'if-none-match': etag } })).status).toBe(304);
  });
});
