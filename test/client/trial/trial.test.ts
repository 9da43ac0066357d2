import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Sandbox, SandboxIo, SandboxOutcome } from '../../../sandbox/index.ts';
import { Trial, type TrialResult, trialDependencies, trialImage } from '../../../src/client/trial/trial.ts';
import { imageCacheFolder, readyImages } from '../../../src/execution/images/cache-folder.ts';
import { writeImageFile } from '../../../src/execution/images/files.ts';
import { readImage } from '../../../src/image/index.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { npmProject, registry } from '../../dependencies/registry.ts';
import { npmPackage, sri } from '../../dependencies/tools/support.ts';
import { layoutOf, writeLayoutTo } from '../../image/support.ts';
import { smallSystem } from '../../image/system.ts';
import { collect, store, type TarEntry, tar } from '../../store/support.ts';
import { folder } from '../../support/code-and-folder.ts';
import { makeJob } from '../../support/documents.ts';
import { importInto } from '../../transfer/support.ts';

const signal = AbortSignal.timeout(300_000);
const done: SandboxOutcome = { kind: 'exit', code: 0 };

/** A trial in which each build puts out the next of these files, or ends otherwise. */
async function trial(...builds: (Record<string, string> | SandboxOutcome | Error)[]) {
  const own = await store();
  const tree = await importInto(own, [{ name: 'quorate.yaml', body: 'jobs' }]);
  const stop = new AbortController();
  const sandbox = {
    async run(_job: unknown, { onOutputs }: SandboxIo): Promise<SandboxOutcome> {
      const next = builds.shift() ?? done;
      if (next instanceof Error) throw next;
      if ('kind' in next && typeof next.kind === 'string' && ['exit', 'aborted'].includes(next.kind))
        return next as SandboxOutcome;
      await onOutputs(await tar(Object.entries(next).map(([name, body]): TarEntry => ({ name, body }))));
      return done;
    },
  } as unknown as Sandbox;
  const made = new Trial({
    source: { tree, commit: 'c', committedSeconds: 0 } as never,
    job: { ...makeJob(), name: 'app' } as never,
    store: own,
    sandbox,
    signal: stop.signal,
    git: undefined,
    image: 'host',
    dependencies: undefined,
    inputs: [],
    project: undefined,
    privateHosts: [],
    remote: undefined,
    dir: await folder(),
  });
  const discard = vi.spyOn(own, 'discard');
  const build = () => made.build(() => {});
  const compare = async (first: TrialResult) => {
    const { differences, tried } = await made.compare(first, {});
    expect(discard).toHaveBeenCalledTimes(1);
    return [differences.map(({ path, change }) => `${path}: ${change}`), tried.outcome.kind];
  };
  return { build, compare, discard, store: own, stop };
}

describe('a build of a trial that is varied', () => {
  it('is compared with the first one, and nothing is kept of it', async () => {
    const { build, compare, store: own } = await trial({ a: '1', b: '2' }, { a: '1', b: '3' });
    const first = await build();
    expect(first).toMatchObject({ outcome: { kind: 'exit', code: 0 }, network: undefined });
    expect(await compare(first)).toEqual([['b: changed'], 'exit']);
    const { root } = await own.importTar(await tar([{ name: 'x', body: '1' }]), { into: own.public });
    expect(await own.has(root)).toBe(true);
  });

  it.each<[string, Parameters<typeof trial>, string[], string]>([
    ['the same files', [{ a: '1' }, { a: '1' }], [], 'exit'],
    ['no files at first', [{ kind: 'exit', code: 1 }, { a: '1' }], [], 'exit'],
    ['no files then', [{ a: '1' }, { kind: 'exit', code: 1 }], [], 'exit'],
    ['too much memory', [{ a: '1' }, { kind: 'aborted', reason: 'memory', detail: 'x' }], [], 'aborted'],
  ])('differs in nothing where there are %s', async (_what, builds, differences, kind) => {
    const { build, compare } = await trial(...builds);
    expect(await compare(await build())).toEqual([differences, kind]);
  });

  it('is none where the sandbox did not run it', async () => {
    const { build, compare, discard } = await trial(
      { a: '1' },
      { kind: 'aborted', reason: 'setup', detail: 'x' },
    );
    const first = await build();
    await expect(compare(first)).rejects.toMatchObject({ code: 'TRY_SANDBOX_FAILED' });
    expect(discard).toHaveBeenCalledTimes(1);
  });
});

describe('an error of a build', () => {
  const outputs = new QuorateError('STORE_TOO_MANY_ENTRIES', 'no path');

  it('is its outcome where it is about what it put out', async () => {
    const { build } = await trial(outputs);
    expect((await build()).outcome).toMatchObject({ kind: 'aborted', reason: 'outputs' });
  });

  it.each([new QuorateError('STORE_DISK_FULL', 'full'), new QuorateError('SANDBOX_UNAVAILABLE', 'none')])(
    'is none of the build: %s',
    async (error) => {
      const { build } = await trial(error);
      await expect(build()).rejects.toBe(error);
    },
  );

  it('is that of who ends the trial, whatever the build says', async () => {
    for (const ends of [outputs, done]) {
      const { build, stop } = await trial(ends);
      stop.abort(new Error('enough'));
      await expect(build()).rejects.toThrow(ends === outputs ? /no path|enough/ : 'enough');
    }
  });
});

it('the image of a trial is read from the folder of the repository or of the home', async () => {
  const [repository, home, from] = [await folder(), await folder(), await store()];
  const at = await folder();
  await writeLayoutTo(await layoutOf([smallSystem()]), join(at, 'in'));
  const read = await readImage(join(at, 'in'), { scratch: at, signal, arch: 'x86_64' });
  const { root: image } = await from.importTar(read, { into: from.public, rules: 'image' });
  const options = { home, repository, bytesMax: undefined, signal };
  const unknown = trialImage(image, { ...options, store: await store() });
  await expect(unknown.directory()).rejects.toMatchObject({ code: 'IMAGE_UNKNOWN' });
  const dir = join(repository, '.quorate', 'images');
  await mkdir(dir, { recursive: true });
  await writeImageFile(from, dir, { image, bytes: 1, files: 1, of: 'a test', made: 'now' }, signal);
  const own = await store();
  const held = trialImage(image, { ...options, store: own });
  onTestFinished(() => held.release());
  expect(await held.directory()).toContain(image);
  expect(await own.has(image)).toBe(true);
});

it('no image of a repository counts for what it is named: its bytes are compared with the CID, each time', async () => {
  const [repository, home, from] = [await folder(), await folder(), await store()];
  const { root: theirs } = await from.importTar(await tar([{ name: 'x', body: 'theirs' }]), {
    into: from.public,
  });
  const { root: named } = await from.importTar(await tar([{ name: 'x', body: 'ours' }]), {
    into: from.public,
  });
  const dir = join(repository, '.quorate', 'images');
  await mkdir(dir, { recursive: true });
  const metadata = { bytes: 1, files: 1, of: 'a test', made: 'now' };
  await writeImageFile(from, dir, { image: theirs, ...metadata }, signal);
  await rename(join(dir, `${theirs}.car`), join(dir, `${named}.car`));
  for (const _ of ['first', 'again']) {
    const own = await store();
    const held = trialImage(named, { home, repository, bytesMax: undefined, signal, store: own });
    await expect(held.directory()).rejects.toMatchObject({ code: 'HOME_DAMAGED' });
    await held.release();
    expect(await own.has(named)).toBe(false);
  }
  expect(await readyImages(imageCacheFolder(home))).toEqual([]);
});

it('dependencies of a trial are fetched from their registry, and laid out', async () => {
  const bytes = await npmPackage('one', '1.0.0');
  const { url, asked } = await registry({ '/one/-/one-1.0.0.tgz': bytes });
  const own = await store();
  const project = npmProject(url, { one: sri('sha512', bytes) });
  const tree = await importInto(
    own,
    Object.entries(project).map(([name, body]) => ({ name, body })),
  );
  const home = await folder();
  const options = {
    home,
    env: { HOME: home, QUORATE_PRIVATE_HOSTS: new URL(url).host },
    onProgress() {},
    signal,
  };
  const { layout, open } = await trialDependencies(own, tree, ['package-lock.json'], options);
  const [blob] = layout.files.flatMap((file) => ('blob' in file ? [file.blob] : []));
  expect(blob?.size).toBe(bytes.length);
  expect(Buffer.concat(await collect(open(blob?.name ?? '')))).toEqual(bytes);
  expect(asked).toEqual(['/one/-/one-1.0.0.tgz']);
});
