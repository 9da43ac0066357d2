import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { QuorateError } from '../../../src/core/errors.ts';
import type { Forge, OpenPull } from '../../../src/forge/index.ts';
import { forgeLimits } from '../../../src/forge/limits.ts';
import { Watcher, type WatcherOptions, type WatchNotice } from '../../../src/runtime/watch/watcher.ts';
import { commit, settingsOf } from './support.ts';

const { perPage, pagesMax } = forgeLimits;

/** A forge with many open pull requests, the newest first, that lists them as the real ones do. */
class ManyPulls implements Partial<Forge> {
  readonly pullRefs = 'refs/pull/*/head';
  readonly asked: number[] = [];
  looks = 0;
  readonly open: OpenPull[];

  constructor(open: OpenPull[]) {
    this.open = open;
  }

  async openPulls(_signal: AbortSignal, from = 2) {
    this.looks++;
    const page = (n: number) => this.open.slice((n - 1) * perPage, n * perPage);
    const last = from + pagesMax - 1;
    const pulls = [...page(1)];
    for (let n = from; n < last; n++) pulls.push(...page(n));
    const isOver = page(last - 1).length < perPage;
    return { pulls, isWhole: isOver && from === 2, next: isOver ? 2 : last };
  }

  async isOpen(pull: number): Promise<boolean> {
    this.asked.push(pull);
    if (pull === 3) throw new QuorateError('FORGE_NOT_FOUND', 'no');
    return this.open.some((one) => one.pull === pull);
  }
}

it('a watcher sees each pull request of a list that is longer than what is read at once, and those that are closed', async () => {
  const of = (pull: number, author: string): OpenPull => ({
    ...{ pull, title: 'one of many', author, base: 'main', labels: [] },
  });
  const newest = Array.from({ length: 1_200 }, (_, n) => of(5_000 - n, 'mallory'));
  const forge = new ManyPulls([...newest, of(7, 'bob'), of(3, 'cyd'), of(2, 'dan')]);
  const refs = new Map(
    forge.open.map(({ pull }) => [`refs/pull/${pull}/head`, { commit: commit(pull), object: commit(pull) }]),
  );
  const dir = await mkdtemp(join(tmpdir(), 'quorate-watcher-'));
  const notices: WatchNotice[] = [];
  const watcher = new Watcher({
    settings: settingsOf({ pulls: { authors: [], paths: [] } }),
    ...{ pollMs: 5, project: 'p', key: 'k', journal: join(dir, 'watch.db'), home: dir, env: {} },
    repository: { refs: async () => refs },
    forge: {
      ...forge,
      openPulls: forge.openPulls.bind(forge),
      isOpen: forge.isOpen.bind(forge),
      setStatus: async () => {},
    },
    onEvent: (notice: WatchNotice) => void notices.push(notice),
    onFailure: (error: unknown) => {
      throw error;
    },
    signal: new AbortController().signal,
  } as unknown as WatcherOptions);
  onTestFinished(async () => {
    await watcher.close();
    await rm(dir, { recursive: true, force: true });
  });
  const until = async (what: () => boolean) => {
    for (let n = 0; n < 400 && !what(); n++) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(what()).toBe(true);
  };
  watcher.start();
  const { pulls } = watcher.machine.state;
  await until(() => [7, 3, 2].every((pull) => pulls.has(pull)));
  expect([...pulls.values()].filter(({ author }) => author === 'mallory').length).toBeLessThanOrEqual(100);
  // One is merged, and one is not there any more: the list is never read whole.
  forge.open.splice(-3, 2);
  await until(() => !pulls.has(7) && !pulls.has(3));
  expect(pulls.has(2)).toBe(true);
  expect(notices.filter(({ kind }) => kind === 'look-failed')).toEqual([]);
});
