import { join } from 'node:path';
import { type Bench, inTurn, median, type Suite, smallFiles, writeTrees } from './run.ts';

const largeBytes = 200_000_000;
const rounds = 3;

async function run(bench: Bench): Promise<void> {
  const [from, to, trees] = [await bench.folder(), await bench.folder(), await bench.folder()];
  await writeTrees(trees, largeBytes);
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
    const times = await receiver.ask<{ took: number; pinned: number }>(way, root, id);
    if (way === 'stream' && root === large) pinned.push(times.pinned);
    return times.took;
  };
  const moved = await inTurn(rounds, {
    raw: () => receiver.ask<number>('raw', addrs[0]),
    stream: tree('stream', large),
    bitswap: tree('bitswap', large),
  });
  const rate = (taken: number): number => largeBytes / 1e6 / taken;
  const rawStream = ['MB/s, one raw libp2p stream', rate(moved.raw.warm)] as const;
  const first = ['MB/s, the first raw stream', rate(moved.raw.cold)] as const;
  bench.figure('200 MB into a store', rate(moved.stream.warm), 'MB/s', { beside: rawStream, over: 0.7 });
  bench.figure('200 MB into a store, first', rate(moved.stream.cold), 'MB/s', { beside: first });
  bench.figure('200 MB until pinned on the disk', rate(median(pinned.slice(1))), 'MB/s', {
    beside: rawStream,
  });
  bench.figure('200 MB by Bitswap', rate(moved.bitswap.warm), 'MB/s', { beside: rawStream });

  const files = await inTurn(rounds, { stream: tree('stream', small), bitswap: tree('bitswap', small) });
  const bitswap = ['files/s, Bitswap', smallFiles / files.bitswap.warm] as const;
  bench.figure('5,000 × 2 KB into a store', smallFiles / files.stream.warm, 'files/s', {
    beside: bitswap,
    over: 5,
  });
  bench.figure('5,000 × 2 KB into a store, first', smallFiles / files.stream.cold, 'files/s', {
    beside: ['files/s, the first by Bitswap', smallFiles / files.bitswap.cold],
  });
}

export const suite: Suite = {
  what: '200 MB and 5,000 small files from one process to another, beside a raw stream and Bitswap',
  secondsMax: 180,
  run,
};
