import { describe, expect, it } from 'vitest';
import { Ledger, outcomeText } from '../../../src/watcher/machine/hook-ledger.ts';
import { hookLimits } from '../../../src/watcher/machine/hook-limits.ts';
import { withLimits } from '../../support/with-limits.ts';

const place = (index: number, ref = 'main', publisher = 'ada') => ({
  repo: 'r',
  ref,
  name: 'build',
  index,
  publisher,
});
const exit = (code: number) => ({ kind: 'exit' as const, code });

describe('a subject in the ledger of a hook', () => {
  it('has the place of what it started, and the run of a line that is furthest in the log', () => {
    const ledger = new Ledger();
    ledger.apply({ kind: 'started', subject: 'a', place: place(5), artifact: null }, 1);
    expect(ledger.get('a')).toEqual({ state: 'started', at: 1, place: place(5) });
    expect(ledger.unfinished).toEqual(['a']);
    ledger.apply({ kind: 'ended', subject: 'a', outcome: exit(0) }, 2);
    expect(ledger.get('a')).toEqual({ state: 'ended', at: 2, outcome: exit(0), place: place(5) });
    expect([ledger.unfinished, ledger.open]).toEqual([[], []]);
    ledger.apply({ kind: 'started', subject: 'b', place: place(4), artifact: null }, 3);
    expect(ledger.last(place(0))).toMatchObject({ index: 5, subject: 'a' });
    ledger.apply({ kind: 'started', subject: 'c', place: place(5), artifact: null }, 4);
    expect(ledger.last(place(0))).toMatchObject({ index: 5, subject: 'c' });
    expect(ledger.last(place(0, 'other'))).toBeUndefined();
  });

  it('is open where it was refused, or ended otherwise than with status 0', () => {
    const ledger = new Ledger();
    ledger.apply({ kind: 'refused', subject: 'a', code: 'NO', message: 'why' }, 1);
    ledger.apply({ kind: 'started', subject: 'b', artifact: null }, 2);
    ledger.apply({ kind: 'ended', subject: 'b', outcome: exit(3) }, 3);
    ledger.apply({ kind: 'ended', subject: 'a', outcome: { kind: 'timeout' } }, 4);
    expect(ledger.open).toEqual([
      { subject: 'b', state: 'ended', at: 3, outcome: exit(3) },
      { subject: 'a', state: 'ended', at: 4, outcome: { kind: 'timeout' } },
    ]);
    expect(outcomeText(exit(3))).toBe('exit status 3');
  });

  it('is forgotten beyond what is remembered, the oldest first', () => {
    withLimits(hookLimits, { entriesMax: 2 });
    const ledger = new Ledger();
    for (const subject of ['a', 'b', 'a', 'c'])
      ledger.apply({ kind: 'refused', subject, code: 'NO', message: '' }, 1);
    expect(['a', 'b', 'c'].map((subject) => ledger.get(subject) !== undefined)).toEqual([true, false, true]);
  });

  it('has room for as many lines as there may be, of one operator and of all', () => {
    withLimits(hookLimits, { linesMax: 3, linesPerPublisherMax: 2 });
    const ledger = new Ledger();
    const start = (ref: string, publisher: string, index = 1) =>
      ledger.apply(
        { kind: 'started', subject: `${ref} ${index}`, place: place(index, ref, publisher), artifact: null },
        1,
      );
    start('a', 'ada');
    expect(ledger.hasRoomFor('ada')).toBe(true);
    start('b', 'ada');
    start('b', 'ada', 2);
    expect([ledger.hasRoomFor('ada'), ledger.hasRoomFor('bob')]).toEqual([false, true]);
    // A line that passes to another operator counts for that one.
    start('b', 'bob', 3);
    expect([ledger.hasRoomFor('ada'), ledger.hasRoomFor('bob')]).toEqual([true, true]);
    start('c', 'bob');
    expect([ledger.hasRoomFor('ada'), ledger.hasRoomFor('bob'), ledger.hasRoomFor('cy')]).toEqual([
      ...[false, false, false],
    ]);
  });
});
