import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openSandbox, type Tier } from '../sandbox/index.ts';
import { type HeldImage, ImageCache } from '../src/execution/images/cache.ts';
import { imagesFolder, readImageFile } from '../src/execution/images/files.ts';
import { makeDebianImage } from '../src/execution/images/make.ts';
import { openStore } from '../src/store/index.ts';
import { debianSource } from '../test/e2e/support/debian.ts';
import { type Bench, inTurn, type Suite, seconds } from './run.ts';
import { bareGroup, inGroup, job } from './sandbox-jobs.ts';

const run = promisify(execFile);
const secondsMax = 900;
/** Of the emulated machine there is one: it takes as long as all others together. */
const rounds: Partial<Record<Tier, number>> = { namespace: 5, gvisor: 5, 'vm-emulated': 1 };
const readyMsMax = 50;
const make = 'make CFLAGS=-O2 CPPFLAGS= LDFLAGS= figlet chkfont';

/** The image of a cache that was filled before, as a worker finds it when a lease comes. */
async function readyImage(bench: Bench, signal: AbortSignal): Promise<() => HeldImage> {
  const dir = await bench.folder();
  const made = await makeDebianImage({
    suite: 'trixie',
    include: ['gcc', 'libc6-dev', 'make'],
    mirrors: [],
    dir: imagesFolder(dir),
    onLine: () => {},
    signal,
  });
  const store = await openStore({ dir: join(dir, 'store') });
  bench.after(() => store.close());
  const source = {
    obtain: () => readImageFile(store, imagesFolder(dir), made.image, { signal }),
    discard: async () => {},
  };
  const cacheDir = join(dir, 'cache');
  const cache = new ImageCache({ dir: cacheDir, bytesMax: 4e9, store, source, signal });
  return () => cache.use(made.image, signal);
}

async function ready(bench: Bench, use: () => HeldImage): Promise<void> {
  const held = async (form: 'directory' | 'erofs'): Promise<void> => {
    const image = use();
    await image[form]();
    await image.release();
  };
  const { directory, erofs } = await inTurn(5, {
    directory: () => seconds(() => held('directory')),
    erofs: () => seconds(() => held('erofs')),
  });
  bench.figure('an image made ready, as a tree', directory.cold * 1000, 'ms');
  bench.figure('an image made ready, as a file system', erofs.cold * 1000, 'ms');
  bench.figure('a ready image taken into use, as a tree', directory.warm * 1000, 'ms', { under: readyMsMax });
  bench.figure('a ready image taken into use, as a file system', erofs.warm * 1000, 'ms', {
    under: readyMsMax,
  });
}

/** The image's own files with the host's kernel, and nothing of a sandbox between. */
const inImage = `set -eu
mount -t tmpfs none "$1/build"; mount --rbind /dev "$1/dev"
mkdir "$1/build/tmp" "$1/build/src"
cp -R "$2/." "$1/build/src"
exec chroot "$1" sh -eu -c 'cd /build/src; eval "$1"' sh "$3"`;

async function compile(bench: Bench, image: HeldImage): Promise<void> {
  const { name, folder } = await debianSource(['figlet'], await bench.folder());
  const { stdout: tar } = await run('tar', ['-c', '-C', folder, '.'], { encoding: 'buffer', maxBuffer: 1e8 });
  const group = bareGroup();
  bench.after(() => group.destroy());
  const tree = await image.directory();
  const bare = (step: string): Promise<void> =>
    inGroup(group, ['unshare', '-r', '-m', 'sh', '-c', inImage, 'sh', tree, folder, step]);
  for (const [tier, times] of Object.entries(rounds) as [Tier, number][]) {
    const sandbox = await openSandbox(await bench.folder(), tier);
    const { bareStart, bareWhole, start, whole } = await inTurn(times, {
      bareStart: () => seconds(() => bare('true')),
      bareWhole: () => seconds(() => bare(make)),
      start: () => seconds(() => job(sandbox, tar, 'true', image)),
      whole: () => seconds(() => job(sandbox, tar, make, image)),
    });
    bench.figure(`${tier}: ${name} compiled, besides the start`, whole.warm - start.warm, 's', {
      beside: ['s, the same image on the host', bareWhole.warm - bareStart.warm],
    });
  }
}

async function suiteRun(bench: Bench): Promise<void> {
  const signal = AbortSignal.timeout(secondsMax * 1000);
  const use = await readyImage(bench, signal);
  await ready(bench, use);
  const image = use();
  bench.after(() => image.release());
  await compile(bench, image);
}

export const suite: Suite = {
  what: 'an image taken into use, and a C project compiled in it in each tier beside the host',
  secondsMax,
  run: suiteRun,
};
