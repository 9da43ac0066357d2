import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Journal, openJournal } from '../../../src/journal/index.ts';
import { nodeClock } from '../../../src/node/ports.ts';
import type { Handled } from '../../../src/protocol/base/durability.ts';
import { Loop } from '../../../src/protocol/sessions/loop.ts';
import { until } from '../../e2e/support/wait.ts';
import { folder } from '../../support/code-and-folder.ts';

type Event = { kind: 'add'; n: number } | { kind: 'wait'; ms: number } | { kind: 'tick' } | { kind: 'break' };
interface Effect {
  sum: number;
  at: number;
}

/** Adds, and wakes up when it was told to. */
class Adder {
  sum = 0;
  ticks: number[] = [];
  times: number[] = [];
  rules: (number | undefined)[] = [];
  #due: number | undefined;

  handle(event: Event, now: number, rules?: number): Handled<Effect> {
    this.times.push(now);
    this.rules.push(rules);
    if (event.kind === 'break') throw new Error('a mistake of ours');
    if (event.kind === 'add') this.sum += event.n;
    if (event.kind === 'wait') this.#due = now + event.ms;
    if (event.kind === 'tick' && this.#due !== undefined && now >= this.#due) {
      this.ticks.push(now);
      this.#due = undefined;
    }
    if (event.kind !== 'add') return { effects: [], durability: 'lazy' };
    const effects = [{ sum: this.sum, at: now }];
    if (event.n === 0) return { effects, durability: 'none' };
    return { effects, durability: 'sync', record: `sum ${this.sum}` };
  }

  nextDeadline(): number | undefined {
    return this.#due;
  }
}

interface Setting {
  machine: Adder;
  loop: Loop<Event, Effect>;
  journal: Journal<Event>;
  effects: Effect[];
  failures: unknown[];
  /** Added to the monotonic clock. */
  steady: { now: number };
}

function start(
  file: string,
  perform?: (effect: Effect, loop: Loop<Event, Effect>) => void,
  acceptClock = false,
  now: () => number = Date.now,
  rules = 1,
): Setting {
  const real = nodeClock(new AbortController().signal);
  const steady = { now: 0 };
  const machine = new Adder();
  const journal = openJournal<Event>(file, { name: 'adder', rules });
  const effects: Effect[] = [];
  const failures: unknown[] = [];
  const loop: Loop<Event, Effect> = new Loop<Event, Effect>({
    machine,
    journal,
    clock: { ...real, now, monotonic: () => real.monotonic() + steady.now },
    acceptClock,
    perform: (effect) => {
      effects.push(effect);
      perform?.(effect, loop);
    },
    tick: { kind: 'tick' },
    failed: (error) => failures.push(error),
  });
  onTestFinished(() => {
    loop.close();
    try {
      journal.close();
    } catch {
      // Closed by the test.
    }
  });
  return { machine, loop, journal, effects, failures, steady };
}

const fileIn = async () => join(await folder(), 'loop.db');

describe('the loop of a machine', () => {
  it('rebuilds the state from the journal without carrying anything out again', async () => {
    const file = await fileIn();
    const first = start(file);
    for (const n of [1, 2, 3]) await first.loop.dispatch({ kind: 'add', n });
    first.loop.close();
    first.journal.close();
    const second = start(file);
    expect(second.loop.replay()).toBe(3);
    expect(second.machine.sum).toBe(6);
    expect(second.machine.times).toEqual(first.machine.times);
    expect(second.effects).toEqual([]);
    await second.loop.dispatch({ kind: 'add', n: 4 });
    expect(second.effects).toMatchObject([{ sum: 10 }]);
  });

  it('tells the machine the rules under which a replayed event was taken, and none of a new one', async () => {
    const file = await fileIn();
    for (const rules of [1, 2]) {
      const journal = openJournal<Event>(file, { name: 'adder', rules });
      journal.append({ kind: 'add', n: 1 }, rules, `sum ${rules}`);
      journal.close();
    }
    const { loop, machine } = start(file, undefined, false, Date.now, 2);
    loop.replay();
    await loop.dispatch({ kind: 'add', n: 1 });
    expect(machine.rules).toEqual([1, 2, undefined]);
  });

  it('has an event in the journal before an effect of it is carried out', async () => {
    const setting = start(await fileIn(), () => {
      written.push([...setting.journal.replay()].length);
    });
    const written: number[] = [];
    await setting.loop.dispatch({ kind: 'add', n: 1 });
    await setting.loop.dispatch({ kind: 'add', n: 1 });
    expect(written).toEqual([1, 2]);
  });

  it('keeps no event that left the machine as it was, and all the others in order', async () => {
    const file = await fileIn();
    const journal = openJournal<Event>(file, { name: 'adder', rules: 1 });
    const machine = new Adder();
    const loop = new Loop<Event, Effect>({
      clock: nodeClock(new AbortController().signal),
      machine,
      journal,
      perform: () => {},
      tick: { kind: 'tick' },
      failed: (error) => {
        throw error;
      },
    });
    for (const n of [1, 0, 0, 2, 0]) await loop.dispatch({ kind: 'add', n });
    loop.close();
    journal.close();
    const second = start(file);
    expect([second.loop.replay(), second.machine.sum]).toEqual([2, machine.sum]);
  });

  it('takes events that effects cause, in order', async () => {
    const { loop, machine, journal } = start(await fileIn(), ({ sum }, own) => {
      if (sum < 5) void own.dispatch({ kind: 'add', n: 1 });
    });
    await loop.dispatch({ kind: 'add', n: 1 });
    await until('the last event', () => machine.sum === 5);
    expect([...journal.replay()].length).toBe(5);
  });

  it('ticks when the deadline is reached, and neither before nor again', async () => {
    const { loop, machine } = start(await fileIn());
    await loop.dispatch({ kind: 'wait', ms: 150 });
    await until('the tick', () => machine.ticks.length > 0);
    const [began = Number.NaN] = machine.times;
    expect(machine.ticks[0]).toBeGreaterThanOrEqual(began + 150);
    await loop.dispatch({ kind: 'wait', ms: 1 });
    await until('the next tick', () => machine.ticks.length > 1);
    // A timer may fire a little early, and is set again; nothing waits now.
    expect([machine.ticks.length, machine.nextDeadline()]).toEqual([2, undefined]);
  });

  it('ticks for a deadline that passed while the process was away', async () => {
    const file = await fileIn();
    const first = start(file);
    await first.loop.dispatch({ kind: 'wait', ms: 1 });
    first.loop.close();
    first.journal.close();
    const second = start(file);
    second.loop.replay();
    expect(second.machine.ticks).toEqual([]);
    await second.loop.dispatch({ kind: 'add', n: 1 });
    await until('the tick', () => second.machine.ticks.length === 1);
  });

  it('goes on from the time of the last event where that is a little ahead, and never back', async () => {
    const file = await fileIn();
    const ahead = Date.now() + 30_000;
    const journal = openJournal<Event>(file, { name: 'adder', rules: 1 });
    journal.append({ kind: 'add', n: 1 }, ahead, 'sum 1');
    journal.close();
    const { loop, machine } = start(file);
    loop.replay();
    await loop.dispatch({ kind: 'add', n: 2 });
    const [, second = 0] = machine.times;
    expect(second).toBeGreaterThanOrEqual(ahead);
    expect(second).toBeLessThan(ahead + 20_000);
  });

  it('does not start while the clock is far behind the journal; once it was told that the clock is right, it does', async () => {
    const file = await fileIn();
    const journal = openJournal<Event>(file, { name: 'adder', rules: 1 });
    journal.append({ kind: 'add', n: 1 }, Date.now() + 2 * 24 * 3600_000, 'sum 1');
    journal.close();
    const refused = start(file);
    expect(() => refused.loop.replay()).toThrow(expect.objectContaining({ code: 'CLOCK_BEHIND' }));
    refused.journal.close();
    const accepted = start(file, undefined, true);
    accepted.loop.replay();
    await accepted.loop.dispatch({ kind: 'add', n: 2 });
    accepted.loop.close();
    accepted.journal.close();
    // And from then on without being told.
    const after = start(file);
    expect(after.loop.replay()).toBe(2);
    await after.loop.dispatch({ kind: 'add', n: 4 });
    expect(after.machine.sum).toBe(7);
    expect(after.machine.times.at(-1)).toBeLessThan(Date.now() + 60_000);
  });

  it('records nothing under a clock that was set while it ran, and stops', async () => {
    let wall = Date.now();
    const { loop, machine, journal, failures, steady } = start(await fileIn(), undefined, false, () => wall);
    await loop.dispatch({ kind: 'add', n: 1 });
    wall += 365 * 24 * 3600_000;
    await loop.dispatch({ kind: 'add', n: 2 });
    steady.now += 11_000;
    await loop.dispatch({ kind: 'add', n: 4 });
    expect(failures).toMatchObject([{ code: 'CLOCK_JUMPED' }]);
    expect([...journal.replay()].map(({ at }) => at <= wall - 364 * 24 * 3600_000)).toEqual([true, true]);
    expect(machine.sum).toBe(3);
  });

  it('stops when the journal cannot be written: nothing comes of the event', async () => {
    const { loop, machine, journal, failures, effects } = start(await fileIn());
    await loop.dispatch({ kind: 'add', n: 1 });
    journal.close();
    await loop.dispatch({ kind: 'add', n: 2 });
    await loop.dispatch({ kind: 'add', n: 4 });
    expect(effects).toMatchObject([{ sum: 1 }]);
    expect(machine.sum).toBe(3);
    expect(failures).toMatchObject([{ code: 'JOURNAL_UNWRITABLE' }]);
  });

  it('stops when the machine breaks, and does not break at the same event when it is started again', async () => {
    const file = await fileIn();
    const { loop, machine, journal, failures } = start(file);
    await loop.dispatch({ kind: 'add', n: 1 });
    await loop.dispatch({ kind: 'break' });
    await loop.dispatch({ kind: 'add', n: 2 });
    expect(failures).toMatchObject([{ message: 'a mistake of ours' }]);
    expect(machine.sum).toBe(1);
    journal.close();
    const second = start(file);
    expect(second.loop.replay()).toBe(1);
    await second.loop.dispatch({ kind: 'add', n: 2 });
    expect(second.effects).toMatchObject([{ sum: 3 }]);
  });

  it('never has an event in the journal that changed nothing: a process that is killed then leaves one that starts', async () => {
    const { loop, machine, journal } = start(await fileIn());
    await loop.dispatch({ kind: 'add', n: 1 });
    const handle = machine.handle.bind(machine);
    const seen: number[] = [];
    machine.handle = (event, now) => {
      const handled = handle(event, now);
      seen.push([...journal.replay()].length);
      return handled;
    };
    for (const n of [0, 0, 2, 0]) await loop.dispatch({ kind: 'add', n });
    expect(seen).toEqual([1, 1, 1, 2]);
    expect([...journal.replay()].length).toBe(2);
  });

  it('is silent once closed, also a tick that was due', async () => {
    const { loop, machine } = start(await fileIn());
    await loop.dispatch({ kind: 'wait', ms: 30 });
    loop.close();
    await loop.dispatch({ kind: 'add', n: 1 });
    const other = start(await fileIn());
    await other.loop.dispatch({ kind: 'wait', ms: 60 });
    await until('a later tick of another', () => other.machine.ticks.length > 0);
    expect([machine.sum, machine.ticks.length]).toEqual([0, 0]);
  });

  it('does not start where an old event would come to something else, says which, and changes nothing', async () => {
    const file = await fileIn();
    const first = start(file);
    for (const n of [1, 2, 3]) await first.loop.dispatch({ kind: 'add', n });
    first.loop.close();
    first.journal.close();
    const kept = await readFile(file);
    const cases: [(handled: Handled<Effect>, event: Event) => Handled<Effect>, RegExp][] = [
      [
        (handled, event) =>
          event.kind === 'add' && event.n === 2 ? { ...handled, durability: 'none' } : handled,
        /^event 2 .*add.*would change nothing now/,
      ],
      [
        (handled) => ({ ...handled, record: `${handled.record} and more` }),
        /^event 1 .* came to sum 1, and would come to sum 1 and more now/,
      ],
      [
        ({ effects, durability }) => ({ effects, durability }),
        /came to sum 1, and would come to nothing now/,
      ],
      [
        () => {
          throw new TypeError('of undefined');
        },
        /^event 1 .*cannot be handled: of undefined/,
      ],
    ];
    for (const [otherwise, says] of cases) {
      const second = start(file);
      const handle = second.machine.handle.bind(second.machine);
      second.machine.handle = (event, now) => otherwise(handle(event, now), event);
      expect(() => second.loop.replay()).toThrow(
        expect.objectContaining({ code: 'JOURNAL_REPLAY_MISMATCH', message: expect.stringMatching(says) }),
      );
      expect(() => second.loop.replay()).toThrow(file);
      second.journal.close();
    }
    expect(await readFile(file)).toEqual(kept);
    expect(start(file).loop.replay()).toBe(3);
  });

  it('syncs the journal before an effect is carried out, and not for events that may be forgotten', async () => {
    const order: string[] = [];
    const real = openJournal<Event>(join(await folder(), 'journal.db'), { name: 'adder', rules: 1 });
    onTestFinished(() => real.close());
    const journal: Journal<Event> = {
      ...real,
      appendAll: (entries) => {
        order.push(`append ${entries.map(({ event }) => event.kind).join()}`);
        real.appendAll(entries);
      },
      sync: () => {
        order.push('sync');
        real.sync();
      },
    };
    const loop = new Loop<Event, Effect>({
      clock: nodeClock(new AbortController().signal),
      machine: new Adder(),
      journal,
      perform: ({ sum }) => order.push(`effect ${sum}`),
      tick: { kind: 'tick' },
      failed: (error) => {
        throw error;
      },
    });
    onTestFinished(() => loop.close());
    await loop.dispatch({ kind: 'wait', ms: 60_000 });
    void loop.dispatch({ kind: 'wait', ms: 60_000 });
    setImmediate(() => void loop.dispatch({ kind: 'add', n: 1 }));
    await loop.dispatch({ kind: 'add', n: 2 });
    expect(order).toEqual(['append wait', 'append wait,add,add', 'sync', 'effect 2', 'effect 3']);
  });
});
