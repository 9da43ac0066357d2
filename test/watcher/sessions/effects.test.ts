import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Client } from '../../../src/member/client.ts';
import { nodeClock } from '../../../src/node/ports.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { pullChanges, refChanges } from '../../../src/watcher/machine/changes.ts';
import type { WatchState } from '../../../src/watcher/machine/state.ts';
import { Connection } from '../../../src/watcher/sessions/connection.ts';
import { type EffectPorts, perform } from '../../../src/watcher/sessions/effects.ts';
import { standsOf } from '../../../src/watcher/sessions/run-states.ts';
import { clock, commit } from '../watch-support.ts';

const at = (n: number) => ({ commit: commit(n), object: commit(n + 1) });
const coded = (code: string) => new QuorateError(code as never, code);

describe('refs of a server', () => {
  const heads = { 'refs/heads/main': at(1), 'refs/tags/v1': at(2) };
  const state = (tips: object, watching = true) =>
    ({ tips: new Map(Object.entries(tips)), watching }) as WatchState;
  const changes = (tips: object, refs: object, watching?: boolean) =>
    refChanges(state(tips, watching), new Map(Object.entries(refs)));

  it('are changes where a branch or tag is new, at another commit or gone, and at the first look', () => {
    expect(changes(heads, heads)).toBeUndefined();
    expect(changes(heads, heads, false)).toEqual({ kind: 'refs', first: true, changed: [] });
    expect(changes({}, { ...heads, 'refs/pull/1/head': at(3) })).toEqual({
      kind: 'refs',
      first: false,
      changed: Object.entries(heads).map(([ref, one]) => ({ ref, ...one })),
    });
    expect(changes(heads, { ...heads, 'refs/heads/main': at(5) })?.changed).toEqual([
      { ref: 'refs/heads/main', ...at(5) },
    ]);
    expect(changes(heads, { 'refs/heads/main': at(1) })?.changed).toEqual([
      { ref: 'refs/tags/v1', commit: null, object: '' },
    ]);
  });

  it('are those of pull requests with the commits that labels approve, where a label is set', () => {
    const open = {
      pull: 1,
      title: 't',
      author: 'a',
      base: 'main',
      labels: [`ok:${commit(1)}`, `ok:${commit(2)}`, `undefined:${commit(1)}`],
    };
    const refs = new Map([['refs/pull/1/head', at(1)]]);
    const approved = (label?: string) =>
      pullChanges(
        {
          pulls: new Map(),
          settings: { pulls: { ...(label !== undefined && { label }) } },
        } as unknown as WatchState,
        { pulls: [open], isWhole: true },
        refs,
        'refs/pull/*/head',
      ).map((event) => (event.kind === 'pull' ? event.seen.approved : event));
    expect([approved('ok'), approved()]).toEqual([[[commit(1)]], [[]]]);
  });
});

describe('an effect', () => {
  const stop = new AbortController();
  const told: unknown[] = [];
  const ports = (client: Partial<Client>, error?: Error): EffectPorts => ({
    publish: async () => ({ kind: 'unaffected', says: '' }),
    connection: new Connection(async () => client as Client, clock),
    forge: {
      setStatus: async (status: unknown) => {
        if (error !== undefined) throw error;
        told.push(status);
      },
    } as unknown as EffectPorts['forge'],
    clock: nodeClock(stop.signal),
  });
  const status = {
    kind: 'status',
    key: 'k',
    commit: commit(1),
    context: 'c',
    status: { state: 'success' },
  } as never;
  const cancel = { kind: 'cancel', id: 'p', runs: ['a', 'b', 'c'], reason: 'old' } as never;

  it('tells a forge of a status, and whether it may be told again', async () => {
    expect(await perform(status, ports({}))).toEqual({
      kind: 'status-set',
      key: 'k',
      status: { state: 'success' },
    });
    expect(told).toEqual([{ commit: commit(1), context: 'c', state: 'success' }]);
    const failed = async (code: string) => perform(status, ports({}, coded(code)));
    expect(await failed('FORGE_REFUSED')).toEqual({
      kind: 'status-failed',
      key: 'k',
      message: 'FORGE_REFUSED',
      again: false,
    });
    expect(await failed('FORGE_UNREACHABLE')).toMatchObject({ kind: 'status-failed', again: true });
  });

  it('cancels each run, also after one that is over, and fails with any other error', async () => {
    const cancelled: string[] = [];
    const client = (code: string): Partial<Client> => ({
      cancel: async (run: string) => {
        if (run === 'a') throw coded(code);
        cancelled.push(run);
        return run;
      },
    });
    for (const code of ['RUN_OVER', 'JOB_UNKNOWN'])
      expect(await perform(cancel, ports(client(code)))).toEqual({ kind: 'cancelled', id: 'p' });
    expect(cancelled).toEqual(['b', 'c', 'b', 'c']);
    expect(await perform(cancel, ports(client('CONTROLLER_UNREACHABLE')))).toEqual({
      kind: 'cancel-failed',
      id: 'p',
    });
    expect(cancelled).toHaveLength(4);
  });

  it('is refused where its commit cannot be published, and says nothing once the watcher ends', async () => {
    const order = {
      kind: 'publish',
      order: { id: 'p', ref: 'refs/heads/main', commit: 'no', base: null },
    } as never;
    const away = ports({});
    const failing = {
      ...away,
      connection: new Connection(async () => Promise.reject(coded('MESH_UNREACHABLE')), clock),
    };
    expect(await perform(order, failing)).toEqual({
      kind: 'refused',
      id: 'p',
      code: 'MESH_UNREACHABLE',
      message: 'MESH_UNREACHABLE',
      again: true,
    });
    const refused = {
      ...away,
      connection: new Connection(async () => Promise.reject(coded('ROLE_FORBIDDEN')), clock),
    };
    expect(await perform(order, refused)).toMatchObject({ code: 'ROLE_FORBIDDEN', again: false });
    stop.abort();
    expect(await perform(order, failing)).toBeUndefined();
  });
});

describe('the connection of a watcher', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** Clients by the order in which they were opened; those that were closed are in `closed`. */
  function connected() {
    let opened = 0;
    const closed: number[] = [];
    const connection = new Connection(async () => {
      const n = opened++;
      return { n, charter: { epoch: n }, close: async () => void closed.push(n) } as never;
    }, clock);
    const use = (act: (n: number) => unknown = () => {}) =>
      connection.use(async (client) => {
        await act((client as unknown as { n: number }).n);
        return (client as unknown as { n: number }).n;
      });
    return { connection, use, closed };
  }

  it('is one for half an hour, and closed once nobody uses it any more', async () => {
    const { connection, use, closed } = connected();
    expect(connection.charter).toBeUndefined();
    expect([await use(), await use()]).toEqual([0, 0]);
    expect(connection.charter).toEqual({ epoch: 0 });
    const ends = Promise.withResolvers<void>();
    const long = use(() => ends.promise);
    await vi.advanceTimersByTimeAsync(30 * 60_000 - 1);
    expect(await use()).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(await use()).toBe(1);
    expect(closed).toEqual([]);
    ends.resolve();
    expect([await long, closed]).toEqual([0, [0]]);
    await connection.close();
    await connection.close();
    expect(closed).toEqual([0, 1]);
  });

  it('is another one after an error, which its caller has', async () => {
    const { connection, use, closed } = connected();
    const error = new Error('broken');
    await expect(use(() => Promise.reject(error))).rejects.toBe(error);
    expect(closed).toEqual([0]);
    await connection.close();
    expect([await use(), closed]).toEqual([1, [0]]);
    await vi.advanceTimersByTimeAsync(30 * 60_000);
    expect(await use()).toBe(2);
    // Client 1 had no user, so it was closed as client 2 was opened.
    expect(closed).toEqual([0, 1]);
  });
});

describe('runs that are open', () => {
  const state = (runs: string[], stands: object = {}) =>
    ({
      publications: new Map([
        [
          'p',
          { phase: 'published', runs: runs.map((run) => ({ run })), stands: new Map(Object.entries(stands)) },
        ],
      ]),
    }) as unknown as WatchState;

  it('are asked for one by one where the list of the controller does not have them, twenty in a look, each in its turn', async () => {
    const runs = Array.from({ length: 45 }, (_, n) => `r${n}`);
    const shown: string[] = [];
    const client = {
      jobs: async () => ({ jobs: [] }),
      show: async (run: string) => {
        shown.push(run);
        throw coded('JOB_UNKNOWN');
      },
    } as unknown as Client;
    const asked = new Set<string>();
    for (let n = 0; n < 3; n++) await standsOf(client, state(runs), asked);
    expect(shown).toEqual(runs);
    const found = await standsOf(client, state(runs), asked);
    expect(shown.slice(45)).toEqual(runs.slice(0, 20));
    expect(found).toEqual(runs.slice(0, 20).map((run) => ({ run, state: 'lost', level: null })));
    const away = { ...client, show: async () => Promise.reject(coded('CONTROLLER_UNREACHABLE')) };
    await expect(standsOf(away as unknown as Client, state(runs), new Set())).rejects.toThrow(
      'CONTROLLER_UNREACHABLE',
    );
    const unasked = { jobs: () => Promise.reject(new Error('asked')) } as unknown as Client;
    expect(await standsOf(unasked, state([]), new Set())).toEqual([]);
  });
});
