import { writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Mesh } from '../../../src/mesh/index.ts';
import { announce } from '../../../src/node/artifacts/announce.ts';
import { NotTrusted } from '../../../src/node/artifacts/fetch.ts';
import { forgetTree } from '../../../src/node/artifacts/forget-tree.ts';
import { openIdleStore } from '../../../src/node/artifacts/idle-store.ts';
import { membersOf } from '../../../src/node/artifacts/members.ts';
import { peersOf, waitForPeer, waitOrSearch } from '../../../src/node/artifacts/moved-controllers.ts';
import { providersOf } from '../../../src/node/artifacts/transfer.ts';
import { openStore } from '../../../src/store/index.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';
import { project } from '../../support/project.ts';

const { signal } = new AbortController();

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('a mesh', () => {
  it('is waited for until it has a peer, for a time, or until its caller ends', async () => {
    let connected: string[] = [];
    const mesh = { connected: () => connected } as unknown as Mesh;
    const stop = new AbortController();
    const answers: [string, boolean][] = [];
    const wait = (name: string, ms: number, by = signal) =>
      waitForPeer(mesh, by, ms).then((found) => void answers.push([name, found]));
    void wait('short', 200);
    void wait('ended', 10_000, stop.signal);
    void wait('long', 10_000);
    await vi.advanceTimersByTimeAsync(199);
    expect(answers).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(answers).toEqual([['short', false]]);
    stop.abort();
    await vi.advanceTimersByTimeAsync(50);
    connected = ['a'];
    await vi.advanceTimersByTimeAsync(50);
    expect(answers.slice(1)).toEqual([
      ['ended', false],
      ['long', true],
    ]);
    await wait('at once', 0);
    expect(answers.at(-1)).toEqual(['at once', true]);
  });

  it('is waited for two seconds, then for eight while nobody else is found', async () => {
    let answered = false;
    const mesh = { connected: () => [] } as unknown as Mesh;
    const waiting = waitOrSearch(mesh, project, [], signal).then((found) => {
      answered = true;
      return found;
    });
    await vi.advanceTimersByTimeAsync(9_999);
    expect(answered).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await waiting).toEqual([]);
    const there = { connected: () => ['a'] } as unknown as Mesh;
    expect(await waitOrSearch(there, project, [], signal)).toEqual([]);
  });

  it('has members of a project, those that are found in time, eight at most', async () => {
    let max = 0;
    const mesh = {
      async *findProviders(_: string, options: { max: number; signal: AbortSignal }) {
        max = options.max;
        yield { id: 'a', addrs: [] };
        await new Promise((_resolve, reject) => options.signal.addEventListener('abort', reject));
      },
    } as unknown as Mesh;
    vi.useRealTimers();
    expect(await membersOf(mesh, project, 20, signal)).toEqual([{ id: 'a', addrs: [] }]);
    expect(max).toBe(8);
  });
});

it('an announcement is tried again after each wait, and a stop ends that', async () => {
  vi.useRealTimers();
  const provide = vi.fn(async (_cid: string): Promise<void> => Promise.reject(new Error('nobody took it')));
  await expect(announce({ provide }, 'bafy', signal, [1, 1])).rejects.toThrow('nobody took it');
  expect(provide.mock.calls).toEqual([['bafy'], ['bafy'], ['bafy']]);
  provide.mockClear();
  await expect(announce({ provide }, 'bafy', AbortSignal.abort())).rejects.toMatchObject({
    name: 'AbortError',
  });
  expect(provide).toHaveBeenCalledTimes(1);
  provide.mockClear();
  provide.mockResolvedValueOnce().mockResolvedValueOnce();
  await announce({ provide }, 'bafy', signal);
  expect(provide).toHaveBeenCalledTimes(1);
});

it('a peer with one process is reached by any connection, one with several by that of each', async () => {
  const open = async () => 'a stream of the peer';
  const link = (n: number) => ({ peer: 'x', open: async () => `a stream of link ${n}` });
  const streams = (...links: object[]) =>
    Promise.all(
      providersOf({ links: () => links, open } as never, ['x', 'x'], signal).map((one) => one.open(signal)),
    );
  expect(await streams()).toEqual(['a stream of the peer']);
  expect(await streams(link(1))).toEqual(['a stream of the peer']);
  expect(await streams(link(1), link(2))).toEqual(['a stream of link 1', 'a stream of link 2']);
});

it('peers are those of addresses that name one', () => {
  expect(peersOf(['/ip4/192.0.2.1/tcp/1/p2p/a', '/ip4/192.0.2.1/tcp/1'])).toEqual([
    { id: 'a', addrs: ['/ip4/192.0.2.1/tcp/1/p2p/a'] },
  ]);
});

describe('evidence that does not hold', () => {
  const said = (
    code: string | null,
    level = 'trusted',
    steps: object[] = [{ ok: false, code, says: 'why' }],
  ) => {
    const error = new NotTrusted('bafy', { level, code, steps } as never);
    return [error.code, error.message, error.hint] as const;
  };

  it.each<[string | null, string, string, RegExp, RegExp]>([
    ['RECIPE_MISMATCH', 'trusted', 'NOT_TRUSTED', /^bafy is not what was asked for: /, /^Read that job file/],
    ['REF_MISMATCH', 'trusted', 'NOT_TRUSTED', /^bafy is not what was asked for: /, /genuine and old/],
    ['SOURCE_MISMATCH', 'trusted', 'NOT_TRUSTED', /^bafy is not what was asked for: /, /another repository/],
    [
      'OPERATOR_REVOKED',
      'trusted',
      'NOT_TRUSTED',
      /^bafy is trusted no more: /,
      /^Do not use it, nor copies/,
    ],
    ['ARTIFACT_OF_TEST', 'trusted', 'ARTIFACT_OF_TEST', /^ARTIFACT_OF_TEST: why$/, /--reports$/],
    [
      'LOG_PROOF',
      'agreed',
      'NOT_TRUSTED',
      /^bafy is not trusted: LOG_PROOF: why$/,
      /has not confirmed it yet/,
    ],
    ['LOG_PROOF', 'none', 'NOT_TRUSTED', /^bafy is not trusted: LOG_PROOF: why$/, /^Do not use it\. /],
  ])('says why, and what to do: %s at level %s', (code, level, expected, says, hint) => {
    expect(said(code, level)).toEqual([
      ...[expected, expect.stringMatching(says), expect.stringMatching(hint)],
    ]);
  });

  it('says the level where no step failed', () => {
    expect(said(null, 'agreed', [{ ok: true }])[1]).toBe('bafy is not trusted: its level is "agreed"');
  });
});

it('a store that no process uses is opened, and what it does not keep cannot be forgotten', async () => {
  vi.useRealTimers();
  const dir = await folder();
  expect(await openIdleStore(`${dir}/none`)).toBeUndefined();
  await writeFile(`${dir}/file`, '');
  expect(await codeOf(() => openIdleStore(`${dir}/file`))).toMatch(/./);
  const store = await openIdleStore(dir);
  await store?.close();
  const held = await openStore({ dir });
  expect(await openIdleStore(dir)).toBeUndefined();
  expect(await codeOf(() => forgetTree(dir, 'bafy'))).toBe('STORE_IN_USE');
  await held.close();
  expect(await codeOf(() => forgetTree(dir, 'bafy'))).toBe('STORE_NOT_PINNED');
  expect(await codeOf(() => forgetTree(`${dir}/none`, 'bafy'))).toBe('STORE_NOT_PINNED');
});
