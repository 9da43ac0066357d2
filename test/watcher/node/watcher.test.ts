import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { Forge, OpenPull } from '../../../src/forge/index.ts';
import { forgeLimits } from '../../../src/forge/limits.ts';
import { openJournal } from '../../../src/journal/index.ts';
import { kernelLimits } from '../../../src/node/kernel/limits.ts';
import { openNode } from '../../../src/node/kernel/open-node.ts';
import { machineTime } from '../../../src/node/ports.ts';
import { codeOf, QuorateError } from '../../../src/protocol/base/errors.ts';
import type { WatchEvent } from '../../../src/watcher/machine/events.ts';
import { WatchMachine } from '../../../src/watcher/machine/machine.ts';
import type { RunStand } from '../../../src/watcher/machine/status.ts';
import { watchNodeLimits } from '../../../src/watcher/node/limits.ts';
import { type RunningWatcher, type RunOptions, runWatcher } from '../../../src/watcher/node/run.ts';
import { watchSessionLimits } from '../../../src/watcher/sessions/limits.ts';
import type { WatchNotice } from '../../../src/watcher/sessions/ports.ts';
import { until } from '../../e2e/support/wait.ts';
import { Bench, commit, rule, settingsOf } from '../watch-support.ts';

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

type Given = Partial<RunOptions> & { onFailure?: (error: unknown) => void };
const assertFails = (error: unknown) => {
  throw error;
};

/** Of a folder of its own, with a forge; `again` opens it as the next process does. */
async function opened(options: Given) {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-watcher-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const journal = join(dir, 'watch.db');
  const again = async () => {
    const { onFailure = assertFails, ...given } = options;
    const watcher = await openNode({ time: machineTime(), onEvent() {}, onFailure }, (kernel) => {
      // Events are handled at once.
      Object.assign(kernel.clock, { endOfTurn: (act: () => void) => act() });
      return runWatcher(kernel, {
        settings: settingsOf({ pulls: { authors: [], paths: [] } }),
        pollMs: 5,
        project: 'p',
        key: 'k',
        journal,
        home: dir,
        env: {},
        onEvent: () => {},
        ...given,
      } as unknown as RunOptions);
    });
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
  const all = Array.from({ length: watchNodeLimits.journalEventsMax }, (_, n) => webhook(n));
  before.appendAll(all.map((event) => ({ event, at: 1_800_000_000_000 })));
  before.close();

  const watcher = await again();
  void watcher.dispatch(webhook(all.length));
  void watcher.dispatch(webhook(all.length + 1));
  const { state } = watcher.machine;
  await watcher.close();
  expect(rows()).toEqual(['state', 'webhook']);

  const next = await again();
  expect(next.machine.state).toEqual(state);
  expect(next.machine.isReplay(`${all.length}`, 'another')).toBe(true);
  await next.close();
});

it('a watcher sees each pull request of a list that is longer than what is read at once, and those that are closed', async () => {
  const of = (pull: number, author: string): OpenPull => ({
    pull,
    title: 'one of many',
    author,
    base: 'main',
    labels: [],
  });
  const newest = Array.from({ length: 1_200 }, (_, n) => of(5_000 - n, 'mallory'));
  const forge = new ManyPulls([...newest, of(7, 'bob'), of(3, 'cyd'), of(2, 'dan')]);
  const refs = new Map(
    forge.open.map(({ pull }) => [`refs/pull/${pull}/head`, { commit: commit(pull), object: commit(pull) }]),
  );
  const notices: WatchNotice[] = [];
  const { again } = await opened({
    repository: { refs: async () => refs } as unknown as RunOptions['repository'],
    forge: {
      ...forge,
      openPulls: forge.openPulls.bind(forge),
      isOpen: forge.isOpen.bind(forge),
      setStatus: async () => {},
    } as unknown as Forge,
    onEvent: (notice) => void notices.push(notice),
  });
  const watcher = await again();
  void watcher.watcher.start();
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
    } as unknown as RunOptions['repository'],
  });
  const watcher = await again();
  void watcher.watcher.start();
  for (let n = 0; n < 100; n++) {
    void watcher.watcher.hook({ delivery: `delivery-${n}`, digest: `${n}` });
    await vi.advanceTimersByTimeAsync(200);
  }
  // One at once, and one more for each five of these twenty seconds.
  expect(looks).toBeLessThanOrEqual(5);
  await vi.advanceTimersByTimeAsync(watchSessionLimits.lookMsMin);
  const whole = looks;
  expect(whole).toBeGreaterThanOrEqual(4);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(looks, 'the last one was after the last webhook').toBe(whole);
});

/** The watcher of a commit that was published as the run `a`, of which the controller said `stands`. The clock is the tester's. */
async function withRun(options: Given, ...stands: RunStand[]) {
  const bench = new Bench().refs({ 'refs/heads/main': 1 }, true).push('refs/heads/main', 2);
  bench.published(bench.orders()[0] as never, 'a').say({ kind: 'stands', stands });
  vi.useFakeTimers();
  vi.setSystemTime(bench.now);
  onTestFinished(() => void vi.useRealTimers());
  const main = { commit: commit(2), object: commit(2) };
  const { journal, again } = await opened({
    settings: settingsOf(),
    pollMs: 3_600_000,
    repository: { refs: async () => new Map([['refs/heads/main', main]]) } as never,
    ...options,
  });
  const file = openJournal<WatchEvent>(journal, { name: 'watcher p k', rules: WatchMachine.rules });
  file.appendAll(bench.journal);
  file.close();
  return again();
}
const none = { use: async (act: (client: unknown) => unknown) => act({ jobs: async () => ({ jobs: [] }) }) };
const troubleOf = ({ watcher }: RunningWatcher, of: string) =>
  watcher.health.ready.find(({ name }) => name === of)?.trouble();

it('a watcher takes from the controller how runs stand, and says so while it cannot be asked', async () => {
  let [isAway, state, asked] = [false, 'building', 0];
  const client = { jobs: async () => ({ jobs: [{ run: 'a', state, level: null }] }) };
  const use = async (act: (client: unknown) => unknown) => {
    asked++;
    if (isAway) throw new QuorateError('CONTROLLER_UNREACHABLE', 'no');
    return act(client);
  };
  const watcher = await withRun({ connection: { use, close: async () => {} } as never });
  const stand = () => [...watcher.machine.state.publications.values()][0]?.stands.get('a')?.state;
  const trouble = () => troubleOf(watcher, 'controller');
  void watcher.watcher.start();
  await vi.advanceTimersByTimeAsync(0);
  expect([stand(), trouble()]).toEqual(['building', undefined]);
  isAway = true;
  await vi.advanceTimersByTimeAsync(2_000);
  expect(trouble()).toBe('CONTROLLER_UNREACHABLE: no');
  [isAway, state] = [false, 'cancelled'];
  await vi.advanceTimersByTimeAsync(2_000);
  expect([stand(), trouble()]).toEqual(['cancelled', undefined]);
  // One that is over is asked for once a minute; the same answer is no event.
  const handled = vi.spyOn(watcher.machine, 'handle');
  const before = asked;
  await vi.advanceTimersByTimeAsync(59_999);
  expect(asked).toBe(before);
  await vi.advanceTimersByTimeAsync(1);
  expect([asked, handled.mock.calls]).toEqual([before + 1, []]);
  // A run that was just published is asked for at once.
  isAway = true;
  const pushed = { ref: 'refs/heads/main', commit: commit(3), object: commit(3) };
  void watcher.dispatch({ kind: 'refs', first: false, changed: [pushed] });
  isAway = false;
  const [id = ''] = [...watcher.machine.state.publications.keys()].slice(-1);
  void watcher.dispatch({ kind: 'published', id, runs: [{ name: 'b', run: 'b' }] });
  await vi.advanceTimersByTimeAsync(0);
  // Once to publish it.
  expect(asked).toBe(before + 3);
});

it('a repository that cannot be had is looked at less and less often, and what is missing is said', async () => {
  let [isAway, looks] = [true, 0];
  const refs = async () => {
    looks++;
    if (isAway) throw new QuorateError('SOURCE_UNREACHABLE', 'no');
    return new Map();
  };
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { again } = await opened({ settings: settingsOf(), pollMs: 10_000, repository: { refs } as never });
  const watcher = await again();
  void watcher.watcher.start();
  const after = async (ms: number) => {
    await vi.advanceTimersByTimeAsync(ms - 1);
    const before = looks;
    await vi.advanceTimersByTimeAsync(1);
    return [before, looks];
  };
  await vi.advanceTimersByTimeAsync(0);
  expect([looks, troubleOf(watcher, 'source')]).toEqual([1, 'SOURCE_UNREACHABLE: no']);
  expect([await after(20_000), await after(40_000)]).toEqual([
    [1, 2],
    [2, 3],
  ]);
  isAway = false;
  expect([await after(80_000), troubleOf(watcher, 'source'), await after(10_000)]).toEqual([
    ...[[3, 4], undefined, [4, 5]],
  ]);
  // Without a publication the controller is not asked.
  expect(troubleOf(watcher, 'controller')).toBeUndefined();
});

it('a watcher wakes when a rule is due, and not before', async () => {
  vi.useFakeTimers();
  vi.setSystemTime(Date.UTC(2027, 0, 1, 2, 59));
  onTestFinished(() => void vi.useRealTimers());
  const notices: string[] = [];
  const { again } = await opened({
    settings: settingsOf({ rules: [rule({ name: 'yearly', cron: '0 3 1 1 *' })] }),
    pollMs: 86_400_000,
    repository: {
      refs: async () => new Map([['refs/heads/main', { commit: commit(2), object: commit(2) }]]),
    } as never,
    connection: { use: () => Promise.reject(new QuorateError('JOBFILE_NOT_FOUND', 'no')) } as never,
    onEvent: ({ kind }) => void notices.push(kind),
  });
  const watcher = await again();
  void watcher.watcher.start();
  const ticks = vi.spyOn(watcher.machine, 'handle');
  const count = () => ticks.mock.calls.filter(([{ kind }]) => kind === 'tick').length;
  await vi.advanceTimersByTimeAsync(59_999);
  expect(count()).toBe(0);
  await vi.advanceTimersByTimeAsync(1);
  expect([count(), notices]).toEqual([1, expect.arrayContaining(['tick', 'refused'])]);
  // The next time is further away than a timer of Node reaches.
  await vi.advanceTimersByTimeAsync(10_000);
  expect(count()).toBe(1);
});

it('a pull request that the forge cannot be asked for stays open', async () => {
  const notices: WatchNotice[] = [];
  const { again } = await opened({
    repository: {
      refs: async () => new Map([['refs/pull/7/head', { commit: commit(1), object: commit(1) }]]),
    } as never,
    forge: {
      pullRefs: 'refs/pull/*/head',
      openPulls: async () => ({ pulls: [], isWhole: false, next: 2 }),
      isOpen: () => Promise.reject(new QuorateError('FORGE_UNREACHABLE', 'no')),
      setStatus: async () => {},
    } as never,
    pollMs: 3_600_000,
    onEvent: (notice) => void notices.push(notice),
  });
  const watcher = await again();
  void watcher.dispatch({ kind: 'configured', settings: settingsOf({ pulls: { authors: [], paths: [] } }) });
  const seen = { pull: 7, ref: 'refs/pull/7/head', commit: commit(1), base: 'main', title: 't', author: 'a' };
  void watcher.dispatch({ kind: 'pull', seen: { ...seen, approved: [] } });
  void watcher.watcher.start();
  await until('a failed look', () => notices.some(({ kind }) => kind === 'look-failed'));
  expect(notices.find(({ kind }) => kind === 'look-failed')).toMatchObject({
    what: 'forge',
    code: 'FORGE_UNREACHABLE',
  });
  expect([...watcher.machine.state.pulls.keys()]).toEqual([7]);
});

const saidTrusted: RunStand = { run: 'a', state: 'done', level: 'trusted' };

it.each([
  ['HOME_UNWRITABLE', true],
  ['JOURNAL_BUSY', true],
  ['CONTROLLER_UNREACHABLE', false],
] as const)('evidence that fails with %s ends the watcher: %s', async (code, isEnd) => {
  const failures: unknown[] = [];
  const failed: unknown[] = [];
  const error = new QuorateError(code, 'no');
  const watcher = await withRun(
    {
      verifier: { verify: () => Promise.reject(error), known: async () => 'k' } as never,
      connection: none as never,
      onFailure: (failure) => void failures.push(failure),
      onEvent: (notice) => notice.kind === 'look-failed' && failed.push(notice.what, notice.code),
    },
    saidTrusted,
  );
  void watcher.watcher.start();
  await vi.advanceTimersByTimeAsync(0);
  expect([failures, failed]).toEqual(isEnd ? [[error], []] : [[], ['controller', code]]);
  const { tips } = watcher.machine.state;
  void watcher.dispatch({
    kind: 'refs',
    first: false,
    changed: [{ ref: 'refs/heads/x', commit: '1', object: '1' }],
  });
  expect(tips.has('refs/heads/x')).toBe(!isEnd);
});

it('a watcher fails once, whatever fails after that', async () => {
  const failures: unknown[] = [];
  const verifying = Promise.withResolvers<never>();
  const watcher = await withRun(
    {
      verifier: { verify: () => verifying.promise, known: async () => 'k' } as never,
      connection: none as never,
      onFailure: (failure) => void failures.push(failure),
      onEvent: ({ kind }) => {
        if (kind === 'looked' || kind === 'look-failed') throw new Error('a mistake of ours');
      },
    },
    saidTrusted,
  );
  void watcher.watcher.start();
  await vi.advanceTimersByTimeAsync(0);
  verifying.reject(new QuorateError('HOME_UNWRITABLE', 'no'));
  await vi.advanceTimersByTimeAsync(0);
  expect(failures).toMatchObject([{ message: 'a mistake of ours' }]);
});

it('a watcher is closed once what goes on has ended', async () => {
  const telling = Promise.withResolvers<void>();
  const watcher = await withRun({
    forge: { setStatus: () => telling.promise } as never,
    connection: none as never,
  });
  void watcher.watcher.start();
  await vi.advanceTimersByTimeAsync(0);
  let isClosed = false;
  const closing = watcher.close().then(() => {
    isClosed = true;
  });
  await vi.advanceTimersByTimeAsync(kernelLimits.closeMsMax - 1);
  expect(isClosed).toBe(false);
  telling.resolve();
  await closing;
  expect(vi.getTimerCount()).toBe(0);
});

it('a decision is about the commit that a pull request has, and a webhook is taken once', async () => {
  const { again } = await opened({ repository: { refs: async () => new Map() } as never });
  const watcher = await again();
  const seen = {
    pull: 7,
    ref: 'refs/pull/7/head',
    commit: commit(1),
    base: 'main',
    title: 't',
    author: 'mallory',
  };
  void watcher.dispatch({ kind: 'configured', settings: settingsOf({ pulls: { authors: [], paths: [] } }) });
  void watcher.dispatch({ kind: 'pull', seen: { ...seen, approved: [] } });
  const code = (act: () => Promise<void>) => act().then(() => undefined, codeOf);
  expect(await code(() => watcher.watcher.decide(8, commit(1), 'approved', 'carol'))).toBe(
    'WATCH_PULL_UNKNOWN',
  );
  expect(await code(() => watcher.watcher.decide(7, commit(2), 'approved', 'carol'))).toBe(
    'WATCH_COMMIT_MISMATCH',
  );
  const decided = () => watcher.machine.state.pulls.get(7)?.decision;
  expect(decided()).toBeNull();
  await watcher.watcher.decide(7, commit(1), 'denied', 'carol');
  expect(decided()).toMatchObject({ verdict: 'denied', by: 'carol' });
  const hook = (delivery: string, digest: string) =>
    code(() => watcher.watcher.hook({ delivery, digest } as never));
  const all = [await hook('1', 'a'), await hook('1', 'b'), await hook('2', 'a'), await hook('2', 'b')];
  expect(all).toEqual([...[undefined, 'WEBHOOK_REPLAYED', 'WEBHOOK_REPLAYED', undefined]]);
});

it('a pipeline is published again once it is over, and refused before and for a name that is none', async () => {
  const { again } = await opened({ repository: { refs: async () => new Map() } as never });
  const { dispatch, machine, watcher } = await again();
  const tip = (n: number) => [{ ref: 'refs/heads/main', commit: commit(n), object: commit(n) }];
  void dispatch({ kind: 'configured', settings: settingsOf() });
  void dispatch({ kind: 'refs', first: true, changed: tip(1) });
  await dispatch({ kind: 'refs', first: false, changed: tip(2) });
  const [id = ''] = machine.state.publications.keys();
  const code = (of: string) => watcher.again(of, true, 'carol').then(() => undefined, codeOf);
  expect(await code('x')).toBe('WATCH_PIPELINE_UNKNOWN');
  expect(await code(id)).toBe('WATCH_PIPELINE_OPEN');
  await dispatch({ kind: 'refused', id, code: 'X', message: 'x', again: false });
  await until('another time', () => Date.now() !== machine.state.publications.get(id)?.order.at);
  expect(await code(id)).toBe(undefined);
  expect([...machine.state.publications.values()].map(({ order }) => order)).toMatchObject([
    { commit: commit(2), rebuild: false },
    { commit: commit(2), rebuild: true },
  ]);
});

it('a decision or a webhook that cannot be written is an error to who sent it, also while the watcher ends', async () => {
  const failures: unknown[] = [];
  const { again } = await opened({ onFailure: (failure) => void failures.push(failure) });
  const { dispatch, machine, watcher } = await again();
  const seen = { ref: 'refs/pull/7/head', base: 'main', title: 't', author: 'mallory', approved: [] };
  void dispatch({ kind: 'configured', settings: settingsOf({ pulls: { authors: [], paths: [] } }) });
  void dispatch({ kind: 'pull', seen: { ...seen, pull: 7, commit: commit(1) } });
  const full = new QuorateError('JOURNAL_UNWRITABLE', 'full');
  vi.spyOn(machine, 'handle').mockImplementation(() => {
    throw full;
  });
  const decide = () => watcher.decide(7, commit(1), 'denied', 'carol');
  await expect(decide()).rejects.toBe(full);
  await until('the end', () => failures.length > 0);
  await expect(decide()).rejects.toBe(full);
  await expect(watcher.hook({ delivery: 'd', digest: 'e' })).rejects.toBe(full);
  expect(failures).toEqual([full]);
});
