import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { farMs, restsMs, WaitingNote } from '../../src/client/commands/next-steps.ts';
import type { Context } from '../../src/terminal/context.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A note on a run whose controller has told `events` events and counts `sealed` results. */
function noteOf(known: { events: number; sealed: number; summary?: object }) {
  const notes: string[] = [];
  const out = { note: (line: string) => notes.push(line), value: () => undefined };
  const open = { building: [], connected: 0, eligible: 0, declined: [] };
  let asked = 0;
  const show = async () => {
    asked++;
    return {
      history: Array.from({ length: known.events }),
      summary: { state: 'building', level: null, open: { ...open, sealed: known.sealed }, ...known.summary },
    };
  };
  const note = new WaitingNote({ out } as unknown as Context, { show } as never, { run: 'a'.repeat(64) });
  return { note, notes, asked: () => asked };
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

it('a level in it is the word of the controller', async () => {
  const { note, notes } = noteOf({ events: 0, sealed: 0, summary: { state: 'agreed', level: 'agreed' } });
  note.in(restsMs);
  await vi.advanceTimersByTimeAsync(restsMs);
  expect(notes[0]).toMatch(/^agreed \(unverified\): operators built the same; /);
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

it('how far an artifact is fetched is told again and again while that changes, and not once it is here', async () => {
  const fetching = { bytes: 2 ** 20, total: null, bytesPerSecond: null, from: ['ada'] };
  const open = { building: [], connected: 1, eligible: 0, declined: [], sealed: 0, fetching };
  const summary = { state: 'pinning', tally: { ended: 2, failed: 0, same: 2, by: ['ada', 'ben'] }, open };
  const { note, notes, asked } = noteOf({ events: 0, sealed: 0, summary });
  note.every(farMs);
  for (const mib of [1, 2, 2, 3]) {
    fetching.bytes = mib * 2 ** 20;
    await vi.advanceTimersByTimeAsync(farMs);
  }
  expect(notes.map((one) => one.replace(/^.*fetched/, ''))).toEqual(
    [1, 2, 3].map((mib) => `: ${mib} MiB, from ada`),
  );
  note.stop();
  await vi.advanceTimersByTimeAsync(10 * farMs);
  expect(asked()).toBe(4);
});
