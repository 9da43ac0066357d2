import { execFile } from 'node:child_process';
import { createHash, hash } from 'node:crypto';
import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { openStore } from '../src/store/index.ts';
import { type Bench, inTurn, type Suite, seconds, smallBytes, smallFiles, writeTrees } from './run.ts';

const largeBytes = 100_000_000;
const rounds = 3;

const exec = promisify(execFile);

/** Reads and hashes every file, nothing else: small ones in one go, the fastest there is. */
async function sha256(dir: string): Promise<void> {
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    if (statSync(path).size <= smallBytes) hash('sha256', readFileSync(path));
    else await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), createHash('sha256'));
  }
}

async function run(bench: Bench): Promise<void> {
  const dir = await bench.folder();
  await writeTrees(dir, largeBytes);
  let places = 0;
  const place = (): string => {
    places += 1;
    return join(dir, String(places));
  };
  const copy = (what: string) => () => seconds(() => exec('cp', ['-r', join(dir, what), place()]));
  const into = (what: string) => async () => {
    const store = await openStore({ dir: place() });
    const took = await seconds(() => store.importDirectory(join(dir, what), { into: store.public }));
    await store.close();
    return took;
  };

  const small = await inTurn(rounds, {
    cp: copy('small'),
    sha256: () => seconds(() => sha256(join(dir, 'small'))),
    import: into('small'),
  });
  bench.figure('import of 5,000 × 2 KB', smallFiles / small.import.warm, 'files/s', {
    beside: ['files/s, cp -r', smallFiles / small.cp.warm],
  });
  bench.figure('import of 5,000 × 2 KB, beside hashing', smallFiles / small.import.warm, 'files/s', {
    beside: ['files/s, read and sha256 alone', smallFiles / small.sha256.warm],
  });
  const large = await inTurn(rounds, {
    cp: copy('large'),
    sha256: () => seconds(() => sha256(join(dir, 'large'))),
    import: into('large'),
  });
  const rate = (took: number): number => largeBytes / 1e6 / took;
  bench.figure('import of 100 MB', rate(large.import.warm), 'MB/s', {
    beside: ['MB/s, cp -r', rate(large.cp.warm)],
  });
  bench.figure('import of 100 MB, beside hashing', rate(large.import.warm), 'MB/s', {
    beside: ['MB/s, read and sha256 alone', rate(large.sha256.warm)],
  });

  const store = await openStore({ dir: join(dir, 'out-of') });
  bench.after(() => store.close());
  const out = (root: string) => () => seconds(() => store.exportDirectory(root, place()));
  const roots = {
    small: (await store.importDirectory(join(dir, 'small'), { into: store.public })).root,
    large: (await store.importDirectory(join(dir, 'large'), { into: store.public })).root,
  };
  const smallOut = await inTurn(rounds, { cp: copy('small'), export: out(roots.small) });
  bench.figure('5,000 × 2 KB out to plain files', smallFiles / smallOut.export.warm, 'files/s', {
    beside: ['files/s, cp -r', smallFiles / smallOut.cp.warm],
    over: 1,
  });
  const largeOut = await inTurn(rounds, { cp: copy('large'), export: out(roots.large) });
  bench.figure('100 MB out to plain files', rate(largeOut.export.warm), 'MB/s', {
    beside: ['MB/s, cp -r', rate(largeOut.cp.warm)],
  });
}

export const suite: Suite = {
  what: 'trees from plain files into a store and out again, beside cp -r and sha256',
  secondsMax: 120,
  run,
};
