import { describe, expect, it } from 'vitest';
import type { Handled } from '../../../src/protocol/base/durability.ts';
import { sessionLimits } from '../../../src/protocol/sessions/limits.ts';
import { type EventLog, type JournalEntry, Loop } from '../../../src/protocol/sessions/loop.ts';

type Event =
  | { kind: 'promise'; n: number }
  | { kind: 'note'; n: number }
  | { kind: 'question'; n: number }
  | { kind: 'break'; n: number }
  | { kind: 'tick'; n: number };

const durabilities = { promise: 'sync', note: 'lazy', question: 'none', tick: 'none' } as const;

/** Takes events, and answers each with its number. */
class Counter {
  readonly taken: number[] = [];
  asked = 0;

  handle(event: Event): Handled<number> {
    this.taken.push(event.n);
    if (event.kind === 'break') throw new Error('a mistake of ours');
    return { effects: [event.n], durability: durabilities[event.kind] };
  }

  nextDeadline(): undefined {
    this.asked++;
    return undefined;
  }
}

/** A journal that says what was done to it, in memory; what is not synced is lost in a power cut. */
class Disk implements EventLog<Event> {
  readonly order: string[];
  readonly written: number[] = [];
  synced = 0;
  failsAt: 'append' | 'sync' | undefined;

  constructor(order: string[]) {
    this.order = order;
  }

  appendAll(entries: readonly JournalEntry<Event>[]): void {
    if (this.failsAt === 'append') throw new Error('the disk is full');
    const numbers = entries.map(({ event }) => event.n);
    this.order.push(`append ${numbers.join()}`);
    this.written.push(...numbers);
  }

  sync(): void {
    if (this.failsAt === 'sync') throw new Error('the disk is gone');
    this.order.push('sync');
    this.synced = this.written.length;
  }

  replay() {
    return [];
  }
}

/** A loop whose turns end when the test says so. */
function setting(perform: (effect: number, loop: Loop<Event, number>) => void = () => {}) {
  const order: string[] = [];
  const machine = new Counter();
  const disk = new Disk(order);
  const turns: (() => void)[] = [];
  const failures: string[] = [];
  const done: number[] = [];
  const loop: Loop<Event, number> = new Loop<Event, number>({
    machine,
    journal: disk,
    clock: {
      now: () => 1_000,
      monotonic: () => 0,
      after: () => () => {},
      endOfTurn: (act) => void turns.push(act),
    },
    perform: (effect) => {
      order.push(`effect ${effect}`);
      perform(effect, loop);
    },
    tick: { kind: 'tick', n: 0 },
    failed: (error) => failures.push((error as Error).message),
  });
  const dispatch = (kind: Event['kind'], n: number): void =>
    void loop.dispatch({ kind, n }).then(() => done.push(n));
  /** Ends one turn, and lets what waits for it go on. */
  const endTurn = async () => {
    for (const act of turns.splice(0)) act();
    await Promise.resolve();
  };
  return { order, machine, disk, failures, done, loop, dispatch, endTurn };
}

describe('events of one turn', () => {
  it('are appended at once and share one sync, before the first effect of any', async () => {
    const { order, machine, done, dispatch, endTurn } = setting();
    for (const n of [1, 2, 3]) dispatch('promise', n);
    // A read of the machine's state in the same turn returns the state that is on disk.
    expect([order, machine.taken, done]).toEqual([[], [], []]);
    await endTurn();
    expect(order).toEqual(['append 1,2,3', 'sync', 'effect 1', 'effect 2', 'effect 3']);
    expect(done).toEqual([1, 2, 3]);
    expect(machine.asked).toBe(1);
  });

  it.each<[string, Event['kind'][], string[]]>([
    ['that changed nothing are not written', ['question', 'question'], ['effect 0', 'effect 1']],
    ['that may be lost are not synced', ['question', 'note'], ['append 1', 'effect 0', 'effect 1']],
    [
      'are synced for one that promises',
      ['note', 'question', 'promise', 'note'],
      ['append 0,2,3', 'sync', 'effect 0', 'effect 1', 'effect 2', 'effect 3'],
    ],
  ])('%s', async (_, kinds, expected) => {
    const { order, dispatch, endTurn } = setting();
    for (const [n, kind] of kinds.entries()) dispatch(kind, n);
    await endTurn();
    expect(order).toEqual(expected);
  });

  it('that effects dispatch are of the next turn', async () => {
    const { order, dispatch, endTurn } = setting((effect, loop) => {
      if (effect < 10) void loop.dispatch({ kind: 'promise', n: effect + 10 });
    });
    for (const n of [1, 2]) dispatch('promise', n);
    await endTurn();
    expect(order).toEqual(['append 1,2', 'sync', 'effect 1', 'effect 2']);
    await endTurn();
    expect(order.slice(4)).toEqual(['append 11,12', 'sync', 'effect 11', 'effect 12']);
  });

  it('are handled in batches where there are many, and others get their turn in between', async () => {
    const { order, disk, done, loop, dispatch, endTurn } = setting();
    const { eventsAtOnceMax } = sessionLimits;
    const all = 2 * eventsAtOnceMax + 1;
    for (let n = 0; n < all; n++) dispatch('note', n);
    await endTurn();
    expect([disk.written.length, done.length, loop.waiting]).toEqual([
      eventsAtOnceMax,
      eventsAtOnceMax,
      all - eventsAtOnceMax,
    ]);
    await endTurn();
    await endTurn();
    expect(disk.written).toEqual([...Array(all).keys()]);
    expect(order.filter((step) => step.startsWith('append'))).toHaveLength(3);
  });
});

describe('a batch that fails', () => {
  it('at an event at which the machine breaks keeps those before it; nothing comes of any', async () => {
    const { order, machine, disk, failures, done, dispatch, endTurn } = setting();
    dispatch('promise', 1);
    dispatch('note', 2);
    dispatch('break', 3);
    dispatch('promise', 4);
    await endTurn();
    // Effects read the state of the machine, which is that of no journal any more.
    expect(order).toEqual(['append 1,2', 'sync']);
    expect(disk.synced).toBe(2);
    expect(failures).toEqual(['a mistake of ours']);
    expect(done).toEqual([1, 2, 3, 4]);
    dispatch('promise', 5);
    await endTurn();
    expect([machine.taken, disk.written]).toEqual([
      [1, 2, 3],
      [1, 2],
    ]);
  });

  it.each(['append', 'sync'] as const)('at %s carries out no effect, and the loop ends', async (at) => {
    const { order, disk, failures, done, loop, dispatch, endTurn } = setting();
    dispatch('promise', 1);
    await endTurn();
    disk.failsAt = at;
    for (const n of [2, 3]) dispatch('promise', n);
    await endTurn();
    expect(order.filter((step) => step.startsWith('effect'))).toEqual(['effect 1']);
    expect([failures.length, disk.synced]).toEqual([1, 1]);
    await loop.dispatch({ kind: 'promise', n: 4 });
    await endTurn();
    expect(done).toEqual([1, 2, 3]);
    expect(disk.written).not.toContain(4);
  });

  it('at an effect ends the loop, and carries out no further one', async () => {
    const { order, failures, dispatch, endTurn } = setting((effect) => {
      if (effect === 2) throw new Error('an effect of ours');
    });
    for (const n of [1, 2, 3]) dispatch('promise', n);
    await endTurn();
    dispatch('promise', 4);
    await endTurn();
    expect(order).toEqual(['append 1,2,3', 'sync', 'effect 1', 'effect 2']);
    expect(failures).toEqual(['an effect of ours']);
  });
});

describe('a loop that is closed', () => {
  it('drops what is queued, of which nothing was promised, and whoever waits for it goes on', async () => {
    const { order, machine, done, loop, dispatch, endTurn } = setting();
    for (const n of [1, 2]) dispatch('promise', n);
    loop.close();
    await endTurn();
    expect([order, machine.taken, done]).toEqual([[], [], [1, 2]]);
  });
});

describe('the timer of a loop', () => {
  it('is that of the next deadline, a day at most, and none once the loop is closed', async () => {
    const turns: (() => void)[] = [];
    const waits: number[] = [];
    let cancelled = 0;
    let [now, due]: [number, number | undefined] = [1_000, undefined];
    const handled: string[] = [];
    let ring = () => {};
    const loop = new Loop<{ kind: string }, never>({
      machine: {
        handle: ({ kind }) => {
          handled.push(kind);
          return { effects: [], durability: 'none' };
        },
        nextDeadline: () => due,
      },
      journal: { appendAll: () => {}, sync: () => {}, replay: () => [] },
      clock: {
        now: () => now,
        monotonic: () => now,
        after: (ms, act) => {
          waits.push(ms);
          ring = act;
          return () => void cancelled++;
        },
        endOfTurn: (act) => void turns.push(act),
      },
      perform: () => {},
      tick: { kind: 'tick' },
      failed: (error) => {
        throw error;
      },
    });
    const event = async () => {
      const done = loop.dispatch({ kind: 'event' });
      for (const turn of turns.splice(0)) turn();
      await done;
      // No further turn is asked for.
      expect(turns).toEqual([]);
    };
    await event();
    expect(waits).toEqual([]);
    const dayMs = 24 * 3600_000;
    for (const [at, ms] of [
      [now + 5, 5],
      [now - 5, 0],
      [now + dayMs + 1, dayMs],
    ] as const) {
      due = at;
      await event();
      expect(waits.at(-1)).toBe(ms);
    }
    // The one before is cancelled.
    expect([waits.length, cancelled]).toEqual([3, 2]);
    now += dayMs;
    ring();
    for (const turn of turns.splice(0)) turn();
    expect(handled.at(-1)).toBe('tick');
    expect(waits.at(-1)).toBe(1);
    loop.close();
    expect(cancelled).toBe(4);
    await event();
    expect([handled.length, waits.length]).toEqual([5, 4]);
  });
});
