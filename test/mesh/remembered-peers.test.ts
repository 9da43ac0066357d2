import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { RememberedPeers } from '../../src/mesh/remembered-peers.ts';
import { testKey } from '../support/documents.ts';
import { folder } from './harness.ts';

const at = (port: number) => `/ip4/192.0.2.1/tcp/${port}`;
const idOf = (n: number) => testKey(`remembered ${n}`).id;

function remembering(file?: string) {
  let failures = 0;
  const peers = new RememberedPeers(file, () => failures++);
  const ids = () => peers.list().map(({ id }) => id);
  return { peers, ids, failures: () => failures };
}

describe('peers that are remembered', () => {
  it('come in the order of their worth: dialled ones, then by their last time', async () => {
    const { peers, ids } = remembering();
    peers.remember('came', [at(1)], false, 9);
    peers.remember('dialled long ago', [at(1)], true, 1);
    peers.remember('dialled', [at(1)], true, 2);
    expect(ids()).toEqual(['dialled', 'dialled long ago', 'came']);
    // One that was dialled once stays so.
    peers.remember('dialled long ago', [at(2)], false, 3);
    expect(peers.list()[0]).toEqual({
      id: 'dialled long ago',
      addrs: [at(2), at(1)],
      seen: 3,
      dialled: true,
    });
    await peers.close();
  });

  it('have eight addresses, the newest first, and at least one', async () => {
    const { peers } = remembering();
    for (let port = 1; port <= 10; port++) peers.remember('a', [at(port)], true, port);
    peers.remember('b', [], true, 1);
    expect(peers.list()).toMatchObject([{ id: 'a', addrs: [10, 9, 8, 7, 6, 5, 4, 3].map(at) }]);
    await peers.close();
  });

  it('are 200; the last to come stays, though its worth is the least', async () => {
    const { peers, ids } = remembering();
    for (let n = 0; n < 200; n++) peers.remember(`peer ${n}`, [at(1)], true, n);
    expect(ids()).toHaveLength(200);
    peers.remember('last', [at(1)], false, 0);
    expect(ids()).toHaveLength(200);
    expect(ids()).toContain('last');
    expect(ids()).not.toContain('peer 0');
    await peers.close();
  });
});

describe('a file of peers', () => {
  const entry = (n: number, over: object = {}) => ({
    id: idOf(n),
    addrs: [at(n)],
    seen: n,
    dialled: true,
    ...over,
  });
  const fileOf = (peers: object[]): string => {
    const file = join(folder(), 'peers.json');
    writeFileSync(file, JSON.stringify({ version: 1, peers }));
    return file;
  };

  it('is there once it is closed, in a folder that was not, with nothing beside it', async () => {
    const dir = join(folder(), 'new');
    const file = join(dir, 'peers.json');
    const { peers, failures } = remembering(file);
    expect(failures()).toBe(0);
    peers.remember(idOf(1), [at(1)], true, 1);
    await peers.close();
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ version: 1, peers: [entry(1)] });
    expect(readdirSync(dir)).toEqual(['peers.json']);
  });

  it('is written by its own account, which is not that of root', async () => {
    const file = fileOf([entry(1)]);
    if (process.getuid?.() === 0) chownSync(file, 1000, 1000);
    vi.spyOn(process, 'getuid').mockReturnValue(1000);
    onTestFinished(() => void vi.restoreAllMocks());
    const { peers } = remembering(file);
    peers.remember(idOf(2), [at(2)], true, 2);
    await peers.close();
    expect(remembering(file).ids()).toEqual([idOf(2), idOf(1)]);
  });

  it('is written half a second after a peer was met, and not where none was', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const file = join(folder(), 'peers.json');
    const { peers } = remembering(file);
    for (let n = 0; n < 2; n++) peers.remember(idOf(1), [at(1)], true, n);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(500);
    expect(vi.getTimerCount()).toBe(0);
    await expect.poll(() => existsSync(file)).toBe(true);
    await remembering(join(folder(), 'none')).peers.close();
    peers.remember(idOf(2), [at(2)], true, 2);
    await peers.close();
    peers.remember(idOf(3), [at(3)], true, 3);
    expect(vi.getTimerCount()).toBe(0);
    expect(remembering(file).ids()).toEqual([idOf(2), idOf(1)]);
  });

  it('brings what another process has added, where that is newer', async () => {
    const file = fileOf([entry(1), entry(2), entry(3)]);
    const { peers } = remembering(file);
    peers.remember(idOf(1), [at(9)], true, 7);
    peers.remember(idOf(2), [at(9)], true, 7);
    writeFileSync(
      file,
      JSON.stringify({ version: 1, peers: [entry(1, { seen: 7 }), entry(2, { seen: 8 }), entry(4)] }),
    );
    await peers.close();
    expect(remembering(file).peers.list()).toMatchObject([
      { id: idOf(2), addrs: [at(2)] },
      { id: idOf(1), addrs: [at(9), at(1)] },
      { id: idOf(4) },
      { id: idOf(3) },
    ]);
  });

  it.each<[string, (good: string) => string]>([
    ['larger than 1 MiB', (good) => good.padEnd(1024 * 1024 + 1)],
    ['of another version', (good) => good.replace('"version":1', '"version":2')],
    ['cut short', (good) => good.slice(0, -5)],
    ['with too many peers', () => JSON.stringify({ version: 1, peers: Array(201).fill(entry(1)) })],
    [
      'with too many addresses',
      () => JSON.stringify({ version: 1, peers: [entry(1, { addrs: Array(9).fill(at(1)) })] }),
    ],
  ])('that is %s counts as a failure, and as none', (_, broken) => {
    const file = fileOf([entry(1)]);
    expect(remembering(file).ids()).toEqual([idOf(1)]);
    writeFileSync(file, broken(readFileSync(file, 'utf8')));
    const { ids, failures } = remembering(file);
    expect([ids(), failures()]).toEqual([[], 1]);
  });

  it('as large as 1 MiB is read', () => {
    const file = fileOf([entry(1)]);
    writeFileSync(file, readFileSync(file, 'utf8').padEnd(1024 * 1024));
    expect(remembering(file).ids()).toEqual([idOf(1)]);
  });

  it('that cannot be replaced counts as a failure, and leaves nothing beside it', async () => {
    const dir = folder();
    const file = join(dir, 'peers.json');
    const { peers, failures } = remembering(file);
    peers.remember(idOf(1), [at(1)], true, 1);
    mkdirSync(join(file, 'in the way'), { recursive: true });
    await peers.close();
    // A folder is no file to read, nor one to replace.
    expect(failures()).toBe(2);
    expect(readdirSync(dir)).toEqual(['peers.json']);
  });
});
