import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { beforeEach, expect, it, vi } from 'vitest';
import { fetchLimits } from '../../../src/dependencies/fetch/limits.ts';
import { codeIn, Person } from '../../bad-input/support/person.ts';
import { registry } from '../../dependencies/registry.ts';
import { jobFile } from '../../e2e/support/jobs.ts';
import { withLimits } from '../../support/with-limits.ts';

const hex = (algorithm: string, bytes: Buffer): string => createHash(algorithm).update(bytes).digest('hex');
const sri1 = (bytes: Buffer): string => `sha1-${createHash('sha1').update(bytes).digest('base64')}`;
const tarball = Buffer.from('a tarball');
const model = Buffer.from('a model');

let person: Person;

beforeEach(async () => {
  person = await Person.arrive();
});

const lock = (...words: string[]) => person.inside(['lock', ...words]);
const written = () => readFile(person.at('folder', 'quorate.lock'), 'utf8');
const put = (name: string, text: string) => writeFile(person.at('folder', name), text);

const npmLock = (integrity: string | undefined, resolved?: string) =>
  JSON.stringify({
    lockfileVersion: 3,
    packages: { '': {}, 'node_modules/old': { version: '1.0.0', integrity, resolved } },
  });
const jobWith = (locks: string) =>
  jobFile({ run: ['true'] }).replace('    image: host\n', `    image: host\n    dependencies: ${locks}\n`);

it('fixes an entry of a broken hash, says why, and leaves nothing open', async () => {
  await registry({ '/configured/old/-/old-1.0.0.tgz': tarball });
  await put('quorate.yaml', jobWith('[package-lock.json]'));
  await put('package-lock.json', npmLock(sri1(tarball)));
  const before = await lock('--check');
  expect(codeIn(before.err), before.report).toBe('LOCK_INCOMPLETE');
  expect(before.err).toContain('Run: quorate lock.');
  expect(before.code).toBe(2);

  const answer = await lock();
  expect(answer.code, answer.report).toBe(0);
  expect(answer.out).toContain('package-lock.json:1: pkg:npm/old@1.0.0: its only hash is of an algorithm');
  const line = `pkg:npm/old@1.0.0 old-1.0.0.tgz sha256:${hex('sha256', tarball)}`;
  expect(await written()).toBe(`quorate-lock 1\n${line}\n`);
  const after = await lock('--check');
  expect(after.code, after.report).toBe(0);
  // Once more keeps it, and asks nobody.
  vi.stubEnv('npm_config_registry', 'http://127.0.0.1:9');
  expect((await lock()).out).toContain('0 files fixed, 1 kept');
});

it('refuses bytes that do not have the broken hash', async () => {
  await registry({ '/configured/old/-/old-1.0.0.tgz': Buffer.from('others') });
  await put('package-lock.json', npmLock(sri1(tarball)));
  const answer = await lock('package-lock.json');
  expect(codeIn(answer.err), answer.report).toBe('DEPENDENCIES_DAMAGED');
  await expect(written()).rejects.toThrow('ENOENT');
});

it('takes the archive of a commit from where its repository is', async () => {
  const commit = 'ab'.repeat(20);
  const { url } = await registry({ [`/me/lib/-/archive/${commit}/lib-${commit}.tar.gz`]: tarball });
  // No registry of this host names it.
  vi.stubEnv('QUORATE_PRIVATE_HOSTS', new URL(url).host);
  await put('package-lock.json', npmLock(undefined, `git+${url}/me/lib.git#${commit}`));
  const answer = await lock('package-lock.json');
  expect(answer.code, answer.report).toBe(0);
  expect(await written()).toContain(
    `sha256:${hex('sha256', tarball)} ${url}/me/lib/-/archive/${commit}/lib-${commit}.tar.gz\n`,
  );
});

const files = [
  'pure-1.0-py3-none-any.whl',
  'pure-1.0.tar.gz',
  'fast-1.0-cp312-cp312-manylinux_2_17_x86_64.whl',
  'fast-1.0-cp313-cp313-manylinux_2_17_x86_64.whl',
  'fast-1.0-cp313-cp313-musllinux_1_2_x86_64.whl',
  'fast-1.0-cp313-cp313-win_amd64.whl',
  'slow-1.0.tar.gz',
].map((name) => ({ name, bytes: Buffer.from(name) }));

async function index(): Promise<void> {
  const listOf = (name: string) =>
    Buffer.from(
      JSON.stringify({
        files: files
          .filter((file) => file.name.startsWith(`${name}-`))
          .map((file) => ({
            filename: file.name,
            url: `../files/${file.name}`,
            hashes: { sha256: hex('sha256', file.bytes) },
          })),
      }),
    );
  const { url } = await registry(
    Object.fromEntries(['pure', 'fast', 'slow'].map((name) => [`/simple/${name}/`, listOf(name)])),
  );
  vi.stubEnv('PIP_INDEX_URL', `${url}/simple`);
}

const requirements = ['pure', 'fast', 'slow']
  .map((name) => {
    const hashes = files.filter((file) => file.name.startsWith(`${name}-`));
    return `${name}==1.0 ${hashes.map(({ bytes }) => `--hash=sha256:${hex('sha256', bytes)}`).join(' ')}\n`;
  })
  .join('');

it('chooses the files of Python packages, for one version where that is asked', async () => {
  await index();
  await put('requirements.txt', requirements);
  const answer = await lock('requirements.txt');
  expect(answer.code, answer.report).toBe(0);
  const named = async () => (await written()).split('\n').flatMap((line) => line.split(' ')[1] ?? []);
  expect(await named()).toEqual(['1', files[2]?.name, files[3]?.name, files[0]?.name, files[6]?.name]);
  await rm(person.at('folder', 'quorate.lock'));
  await lock('requirements.txt', '--python', '3.13');
  expect(await named()).toEqual(['1', files[3]?.name, files[0]?.name, files[6]?.name]);

  // A record that the requirements no longer allow is replaced.
  const old = (await written()).replaceAll(/sha256:[0-9a-f]{64}/g, `sha256:${'00'.repeat(32)}`);
  await put('quorate.lock', old);
  expect((await lock('requirements.txt')).out).toContain('4 files fixed, 0 kept');
});

it('says so where no job of the job file names a lock file', async () => {
  await put('quorate.yaml', jobFile({ run: ['true'] }));
  const answer = await lock();
  expect(codeIn(answer.err), answer.report).toBe('LOCK_NOT_FOUND');
  expect(answer.err).toContain('no job of quorate.yaml names lock files');
});

it('says so where no file of a Python package is allowed, or is for Linux', async () => {
  await index();
  await put('requirements.txt', `pure==1.0 --hash=sha256:${'12'.repeat(32)}\n`);
  const answer = await lock('requirements.txt');
  expect(codeIn(answer.err), answer.report).toBe('DEPENDENCIES_FETCH_FAILED');
  expect(answer.err).toContain('of 2 files that the index lists, none is allowed');
});

it('adds a file at an address, once, beside what is there', async () => {
  const { url } = await registry({ '/v1/model.bin': model, '/v2/model.bin': tarball });
  await put('quorate.lock', `quorate-lock 1\npkg:pypi/pip@1 pip-1.whl sha256:${'12'.repeat(32)}\n`);
  const answer = await lock('add', `${url}/v1/model.bin`);
  expect(answer.code, answer.report).toBe(0);
  expect(answer.out).toContain(`model.bin  sha256:${hex('sha256', model)}`);
  expect(answer.out).toContain('"$QUORATE_FILES/model.bin"');
  await lock('add', `${url}/v2/model.bin`, '--name', 'other.bin');
  await lock('add', `${url}/v2/model.bin`);
  expect(await written()).toBe(
    [
      'quorate-lock 1',
      `pkg:generic/model.bin model.bin sha256:${hex('sha256', tarball)} ${url}/v2/model.bin`,
      `pkg:generic/other.bin other.bin sha256:${hex('sha256', tarball)} ${url}/v2/model.bin`,
      `pkg:pypi/pip@1 pip-1.whl sha256:${'12'.repeat(32)}`,
      '',
    ].join('\n'),
  );
});

it.each([
  ['an address that answers no', ['add', 'http://127.0.0.1:9/x'], 'DEPENDENCIES_FETCH_FAILED'],
  ['an address with a password', ['add', 'http://me:secret@127.0.0.1:9/x'], 'LOCK_INVALID'],
  ['a name with a path', ['add', 'http://127.0.0.1:9/x', '--name', '../x'], 'CLI_USAGE'],
  ['a path in place of an address', ['add', 'model.bin'], 'CLI_USAGE'],
  ['a lock file that is not there', ['package-lock.json'], 'LOCK_NOT_FOUND'],
  ['no job file', [], 'JOBFILE_NOT_FOUND'],
])('refuses %s', async (_, words, code) => {
  withLimits(fetchLimits, { retryMs: 1 });
  vi.stubEnv('NO_PROXY', '127.0.0.1');
  const answer = await lock(...words);
  expect(codeIn(answer.err), answer.report).toBe(code);
  await expect(written()).rejects.toThrow('ENOENT');
});
