import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { restsMs, WaitingNote } from '../../src/client/commands/next-steps.ts';
import type { Context } from '../../src/terminal/context.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A note on a run whose controller has told `events` events and counts `sealed` results. */
function noteOf(known: { events: number; sealed: number }) {
  const notes: string[] = [];
  const out = { note: (line: string) => notes.push(line), value: () => undefined };
  const open = { building: [], connected: 0, eligible: 0, declined: [] };
  const show = async () => ({
    history: Array.from({ length: known.events }),
    summary: { state: 'building', level: null, open: { ...open, sealed: known.sealed } },
  });
  const note = new WaitingNote({ out } as unknown as Context, { show } as never, { run: 'a'.repeat(64) });
  return { note, notes };
}

it('whom a followed run waits for is told once, with what helps', async () => {
  const known = { events: 1, sealed: 0 };
  const { note, notes } = noteOf(known);
  note.seen = 1;
  for (let n = 0; n < 3; n++) {
    note.in(restsMs);
    await vi.advanceTimersByTimeAsync(restsMs);
  }
  expect(notes).toEqual([
    'waiting: for an operator: none is connected',
    expect.stringMatching(/^Have workers of more operators connected/),
  ]);
});

it('the note waits for the events that its status follows from, up to a bound', async () => {
  const { note, notes } = noteOf({ events: 3, sealed: 2 });
  note.seen = 1;
  note.in(restsMs);
  await vi.advanceTimersByTimeAsync(3 * restsMs);
  expect(notes).toEqual([]);
  await vi.advanceTimersByTimeAsync(10 * restsMs);
  expect(notes[0]).toMatch(/^sealed: 2 results are in/);
});

it('the note is not printed once stopped, also while the controller is asked', async () => {
  const { note, notes } = noteOf({ events: 1, sealed: 0 });
  note.seen = 1;
  note.in(restsMs);
  vi.advanceTimersByTime(restsMs);
  note.stop();
  await vi.advanceTimersByTimeAsync(restsMs);
  expect(notes).toEqual([]);
});
