import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bench, inTurn, median, type Suite } from './run.ts';

const largeBytes = 200_000_000;
const smallFiles = 5_000;
const smallBytes = 2_000;
const rounds = 3;

interface Times {
  took: number;
  pinned: number;
}

async function run(bench: Bench): Promise<void> {
  const [from, to, trees] = [await bench.folder(), await bench.folder(), await bench.folder()];
  await mkdir(join(trees, 'large'));
  await writeFile(join(trees, 'large/file'), randomBytes(largeBytes));
  for (let file = 0; file < smallFiles; file += 1) {
    const dir = join(trees, 'small', `d${file % 50}`);
    if (file < 50) await mkdir(dir, { recursive: true });
    await writeFile(join(dir, `f${file}`), randomBytes(smallBytes));
  }
  const program = new URL('./transfer-end.ts', import.meta.url);
  const sender = bench.end(program, [from, 'serves']);
  const receiver = bench.end(program, [to]);
  const { id, addrs } = await sender.ask<{ id: string; addrs: string[] }>('address');
  await sender.ask('rawBytes', largeBytes);
  await receiver.ask('connect', addrs);
  const large = await sender.ask<string>('import', join(trees, 'large'));
  const small = await sender.ask<string>('import', join(trees, 'small'));

  const pinned: number[] = [];
  const tree = (way: string, root: string) => async () => {
    const times = await receiver.ask<Times>(way, root, id);
    if (way === 'stream' && root === large) pinned.push(times.pinned);
    return times.took;
  };
  const moved = await inTurn(rounds, {
    raw: () => receiver.ask<number>('raw', addrs[0]),
    stream: tree('stream', large),
    bitswap: tree('bitswap', large),
  });
  const rate = (taken: number): number => largeBytes / 1e6 / taken;
  const rawStream = { name: 'MB/s, one raw libp2p stream', value: rate(moved.raw.warm) };
  const first = { name: 'MB/s, the first raw stream', value: rate(moved.raw.cold) };
  bench.figure('200 MB into a store', rate(moved.stream.warm), 'MB/s', {
    reference: rawStream,
    aim: { over: 0.7 },
  });
  bench.figure('200 MB into a store, first', rate(moved.stream.cold), 'MB/s', { reference: first });
  bench.figure('200 MB until pinned on the disk', rate(median(pinned.slice(1))), 'MB/s', {
    reference: rawStream,
  });
  bench.figure('200 MB by Bitswap', rate(moved.bitswap.warm), 'MB/s', { reference: rawStream });

  const files = await inTurn(rounds, { stream: tree('stream', small), bitswap: tree('bitswap', small) });
  const bitswap = { name: 'files/s, Bitswap', value: smallFiles / files.bitswap.warm };
  bench.figure('5,000 × 2 KB into a store', smallFiles / files.stream.warm, 'files/s', {
    reference: bitswap,
    aim: { over: 5 },
  });
  bench.figure('5,000 × 2 KB into a store, first', smallFiles / files.stream.cold, 'files/s', {
    reference: { name: 'files/s, the first by Bitswap', value: smallFiles / files.bitswap.cold },
  });
}

export const suite: Suite = {
  what: '200 MB and 5,000 small files from one process to another, beside a raw stream and Bitswap',
  secondsMax: 180,
  run,
};
