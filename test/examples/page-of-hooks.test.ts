import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'hooks.md'), 'utf8');
const exec = promisify(execFile);

/** The folder that a hook gives its command, with two files. */
function makePlace() {
  const dir = mkdtempSync(join(tmpdir(), 'quorate-page-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const artifact = join(dir, 'artifact');
  mkdirSync(join(artifact, 'bin'), { recursive: true });
  writeFileSync(join(artifact, 'bin', 'tool'), 'tool');
  writeFileSync(join(artifact, 'read me.txt'), 'text');
  const bundle = join(dir, 'bundle.json');
  writeFileSync(bundle, '{}');
  const commit = 'c'.repeat(40);
  const env = {
    PATH: process.env.PATH,
    HOME: dir,
    QUORATE_ARTIFACT: artifact,
    QUORATE_BUNDLE: bundle,
    QUORATE_REF: 'refs/tags/v1.2',
    QUORATE_COMMIT: commit,
  };
  return { dir, artifact, env };
}

async function runExample(name: string, env: NodeJS.ProcessEnv): Promise<void> {
  const script = new RegExp(`<!-- ${name} -->\\n\`\`\`sh\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1];
  if (script === undefined) throw new Error(`docs/hooks.md has no example ${name}`);
  await exec('sh', ['-c', script], { cwd: '/', env, timeout: 60_000 });
}

interface Asked {
  method: string;
  url: string;
  auth: string | undefined;
  body: string;
}

/** A server on the loopback that answers everything with this, and what it was asked. */
async function makeServer(answer: string): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      asked.push({ method, url, auth: headers.authorization, body: Buffer.concat(parts).toString() });
      response.setHeader('content-type', 'application/json').end(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

describe('the examples of docs/hooks.md do what they say:', () => {
  it('a draft release with the files and the evidence', async () => {
    const { env, artifact } = makePlace();
    rmSync(join(artifact, 'bin'), { recursive: true });
    const { url, asked } = await makeServer('{"id":17,"assets":[],"author":{"id":3}}');
    await runExample('release', { ...env, FORGE: url, REPOSITORY: 'me/tool', FORGE_TOKEN: 'secret' });
    const base = '/api/v1/repos/me/tool/releases';
    expect(asked.map(({ method, url: path, auth }) => [method, path, auth])).toEqual([
      ['POST', base, 'token secret'],
      ['POST', `${base}/17/assets`, 'token secret'],
      ['POST', `${base}/17/assets`, 'token secret'],
    ]);
    expect(JSON.parse(asked[0]?.body ?? '')).toEqual({ tag_name: 'v1.2', name: 'v1.2', draft: true });
    expect(asked[1]?.body).toContain('filename="read me.txt"');
    expect(asked[2]?.body).toContain('filename="bundle.json"');
  });

  it('checksums with a signature, in a repository', async () => {
    const { env, dir } = makePlace();
    const home = join(dir, 'gnupg');
    mkdirSync(home, { mode: 0o700 });
    const attestations = join(dir, 'sigs');
    const as = {
      ...env,
      GNUPGHOME: home,
      ATTESTATIONS: attestations,
      SIGNER: 'me',
      GIT_AUTHOR_NAME: 'a',
      GIT_AUTHOR_EMAIL: 'a@example.org',
      GIT_COMMITTER_NAME: 'a',
      GIT_COMMITTER_EMAIL: 'a@example.org',
    };
    await exec('git', ['init', '--quiet', attestations], { env: as });
    const key = ['--batch', '--passphrase', '', '--quick-generate-key', 'me@example.org', 'ed25519', 'sign'];
    await exec('gpg', key, { env: as, timeout: 60_000 });
    onTestFinished(async () => void (await exec('gpgconf', ['--kill', 'all'], { env: as })));
    await runExample('sums', as);
    const folder = join(attestations, 'v1.2', 'me');
    const sums = readFileSync(join(folder, 'all.SHA256SUMS'), 'utf8');
    expect(sums.match(/ {2}.*/g)).toEqual(['  bin/tool', '  read me.txt']);
    await exec('gpg', ['--verify', join(folder, 'all.SHA256SUMS.asc'), join(folder, 'all.SHA256SUMS')], {
      env: as,
    });
    const { stdout } = await exec('git', ['-C', attestations, 'show', '--stat', '--format=%s'], { env: as });
    expect(stdout).toContain(`me: v1.2 at ${env.QUORATE_COMMIT}`);
    expect(stdout).toContain('3 files changed');
  });

  it('a package that is staged', async () => {
    const { env, dir, artifact } = makePlace();
    const source = join(dir, 'source');
    mkdirSync(source);
    writeFileSync(join(source, 'package.json'), '{"name":"tool-of-a-test","version":"1.2.0"}');
    const npm = { ...env, npm_config_update_notifier: 'false', npm_config_audit: 'false' };
    await exec('npm', ['pack', '--pack-destination', artifact], { cwd: source, env: npm });
    const { url, asked } = await makeServer(
      '{"ok":true,"success":true,"stageId":"12345678-1234-4234-8234-123456789012"}',
    );
    writeFileSync(
      join(dir, '.npmrc'),
      `registry=${url}/\n//${url.slice('http://'.length)}/:_authToken=secret\n`,
    );
    await runExample('npm', npm);
    expect(asked.at(-1)).toMatchObject({ url: expect.stringContaining('stage'), auth: 'Bearer secret' });
    expect(asked.at(-1)?.body).toContain('tool-of-a-test-1.2.0.tgz');
  });
});
