import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { codeOf, QuorateError } from '../../../src/core/errors.ts';
import type { Forge, OpenPull } from '../../../src/forge/index.ts';
import { forgeLimits } from '../../../src/forge/limits.ts';
import { openJournal } from '../../../src/journal/index.ts';
import type { WatchEvent } from '../../../src/runtime/watch/events.ts';
import { watchLimits } from '../../../src/runtime/watch/limits.ts';
import { WatchMachine } from '../../../src/runtime/watch/machine.ts';
import { Watcher, type WatcherOptions, type WatchNotice } from '../../../src/runtime/watch/watcher.ts';
import { until } from '../../e2e/support/wait.ts';
import { Bench, commit, settingsOf } from './support.ts';

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

/** Of a folder of its own, with a forge; `again` opens it as the next process does. */
async function opened(options: Partial<WatcherOptions>) {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-watcher-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const journal = join(dir, 'watch.db');
  const again = () => {
    const watcher = new Watcher({
      settings: settingsOf({ pulls: { authors: [], paths: [] } }),
      ...{ pollMs: 5, project: 'p', key: 'k', journal, home: dir, env: {} },
      onEvent: () => {},
      onFailure: (error: unknown) => {
        throw error;
      },
      signal: new AbortController().signal,
      ...options,
    } as unknown as WatcherOptions);
    onTestFinished(() => watcher.close().catch(() => {}));
    return watcher;
  };
  return { journal, again };
}

it('a journal that is longer than it may be becomes one event, and the state of a next process is the same', async () => {
  const { journal, again } = await opened({});
  const open = () => openJournal<WatchEvent>(journal, { name: 'watcher p k', rules: WatchMachine.rules });
  const rows = () => {
    const file = open();
    const kinds = [...file.replay()].map(({ event }) => event.kind);
    file.close();
    return kinds;
  };
  const before = open();
  const webhook = (n: number): WatchEvent => ({ kind: 'webhook', delivery: `${n}`, digest: `of ${n}` });
  const all = Array.from({ length: watchLimits.journalEventsMax }, (_, n) => webhook(n));
  before.appendAll(all.map((event) => ({ event, at: 1_800_000_000_000 })));
  before.close();

  const watcher = again();
  watcher.handle(webhook(all.length));
  watcher.handle(webhook(all.length + 1));
  const { state } = watcher.machine;
  await watcher.close();
  expect(rows()).toEqual(['state', 'webhook']);

  const next = again();
  expect(next.machine.state).toEqual(state);
  expect(next.machine.isReplay(`${all.length}`, 'another')).toBe(true);
  await next.close();
});

it('a watcher sees each pull request of a list that is longer than what is read at once, and those that are closed', async () => {
  const of = (pull: number, author: string): OpenPull => ({
    ...{ pull, title: 'one of many', author, base: 'main', labels: [] },
  });
  const newest = Array.from({ length: 1_200 }, (_, n) => of(5_000 - n, 'mallory'));
  const forge = new ManyPulls([...newest, of(7, 'bob'), of(3, 'cyd'), of(2, 'dan')]);
  const refs = new Map(
    forge.open.map(({ pull }) => [`refs/pull/${pull}/head`, { commit: commit(pull), object: commit(pull) }]),
  );
  const notices: WatchNotice[] = [];
  const { again } = await opened({
    repository: { refs: async () => refs } as unknown as WatcherOptions['repository'],
    forge: {
      ...forge,
      openPulls: forge.openPulls.bind(forge),
      isOpen: forge.isOpen.bind(forge),
      setStatus: async () => {},
    } as unknown as Forge,
    onEvent: (notice) => void notices.push(notice),
  });
  const watcher = again();
  watcher.start();
  const { pulls } = watcher.machine.state;
  await until('all pulls', () => [7, 3, 2].every((pull) => pulls.has(pull)));
  expect([...pulls.values()].filter(({ author }) => author === 'mallory').length).toBeLessThanOrEqual(100);
  // One is merged, and one is not there any more: the list is never read whole.
  forge.open.splice(-3, 2);
  await until('no merged ones', () => !pulls.has(7) && !pulls.has(3));
  expect(pulls.has(2)).toBe(true);
  expect(notices.filter(({ kind }) => kind === 'look-failed')).toEqual([]);
});

it('webhooks, however many, have the repository looked at once in a while', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let looks = 0;
  const { again } = await opened({
    pollMs: 3_600_000,
    settings: settingsOf({}),
    repository: {
      refs: async () => {
        looks++;
        return new Map();
      },
    } as unknown as WatcherOptions['repository'],
  });
  const watcher = again();
  watcher.start();
  for (let n = 0; n < 100; n++) {
    watcher.hook({ delivery: `delivery-${n}`, digest: `${n}` });
    await vi.advanceTimersByTimeAsync(200);
  }
  // One at once, and one more for each five of these twenty seconds.
  expect(looks).toBeLessThanOrEqual(5);
  await vi.advanceTimersByTimeAsync(watchLimits.lookMsMin);
  const whole = looks;
  expect(whole).toBeGreaterThanOrEqual(4);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(looks, 'the last one was after the last webhook').toBe(whole);
});

it('a watcher takes from the controller how runs stand, and says so while it cannot be asked', async () => {
  const bench = new Bench().refs({ 'refs/heads/main': 1 }, true).push('refs/heads/main', 2);
  bench.published(bench.orders()[0] as never, 'a');
  vi.useFakeTimers();
  vi.setSystemTime(bench.now);
  onTestFinished(() => void vi.useRealTimers());
  let isAway = false;
  let state = 'building';
  const client = { jobs: async () => ({ jobs: [{ run: 'a', state, level: null }] }) };
  const use = async (act: (client: unknown) => unknown) => {
    if (isAway) throw new QuorateError('CONTROLLER_UNREACHABLE', 'no');
    return act(client);
  };
  const main = { commit: commit(2), object: commit(2) };
  const { journal, again } = await opened({
    ...{ settings: settingsOf(), pollMs: 3_600_000 },
    repository: { refs: async () => new Map([['refs/heads/main', main]]) } as never,
    connection: { use, close: async () => {} } as never,
  });
  const file = openJournal<WatchEvent>(journal, { name: 'watcher p k', rules: WatchMachine.rules });
  file.appendAll(bench.journal);
  file.close();
  const watcher = again();
  const stand = () => [...watcher.machine.state.publications.values()][0]?.stands.get('a')?.state;
  const trouble = () => watcher.health.ready.find(({ name }) => name === 'controller')?.trouble();
  watcher.start();
  await vi.advanceTimersByTimeAsync(0);
  expect([stand(), trouble()]).toEqual(['building', undefined]);
  isAway = true;
  await vi.advanceTimersByTimeAsync(2_000);
  expect(trouble()).toBe('CONTROLLER_UNREACHABLE: no');
  [isAway, state] = [false, 'cancelled'];
  await vi.advanceTimersByTimeAsync(2_000);
  expect([stand(), trouble()]).toEqual(['cancelled', undefined]);
  expect(() => watcher.decide(9, commit(2), 'approved', 'carol')).toThrow(
    expect.objectContaining({ code: 'WATCH_PULL_UNKNOWN' }),
  );
});

it('a decision is about the commit that a pull request has, and a webhook is taken once', async () => {
  const { again } = await opened({ repository: { refs: async () => new Map() } as never });
  const watcher = again();
  const seen = {
    pull: 7,
    ref: 'refs/pull/7/head',
    commit: commit(1),
    base: 'main',
    title: 't',
    author: 'mallory',
  };
  watcher.handle({ kind: 'configured', settings: settingsOf({ pulls: { authors: [], paths: [] } }) });
  watcher.handle({ kind: 'pull', seen: { ...seen, approved: [] } });
  const code = (act: () => void) => {
    try {
      act();
      return undefined;
    } catch (error) {
      return codeOf(error);
    }
  };
  expect(code(() => watcher.decide(8, commit(1), 'approved', 'carol'))).toBe('WATCH_PULL_UNKNOWN');
  expect(code(() => watcher.decide(7, commit(2), 'approved', 'carol'))).toBe('WATCH_COMMIT_MISMATCH');
  const decided = () => watcher.machine.state.pulls.get(7)?.decision;
  expect(decided()).toBeNull();
  watcher.decide(7, commit(1), 'denied', 'carol');
  expect(decided()).toMatchObject({ verdict: 'denied', by: 'carol' });
  const hook = (delivery: string, digest: string) => code(() => watcher.hook({ delivery, digest } as never));
  expect([hook('1', 'a'), hook('1', 'b'), hook('2', 'a'), hook('2', 'b')]).toEqual([
    ...[undefined, 'WEBHOOK_REPLAYED', 'WEBHOOK_REPLAYED', undefined],
  ]);
});
