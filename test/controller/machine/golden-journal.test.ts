import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ControllerEffect, ControllerEvent } from '../../../src/controller/machine/events.ts';
import { Controller } from '../../../src/controller/machine/machine.ts';
import type { Handled } from '../../../src/protocol/base/durability.ts';
import { Loop, type Machine } from '../../../src/protocol/sessions/loop.ts';
import { type GoldenJournal, goldenState, readOnly } from '../../vectors/journal.ts';

const folder = join(import.meta.dirname, '../../vectors/journal');
const files = readdirSync(folder);

const golden = (file: string): GoldenJournal => JSON.parse(readFileSync(join(folder, file), 'utf8'));

function replay({ rows }: GoldenJournal, machine: Machine<ControllerEvent, ControllerEffect>): number {
  return new Loop<ControllerEvent, ControllerEffect>({
    machine,
    journal: readOnly(rows),
    clock: {
      now: () => rows.at(-1)?.at ?? 0,
      monotonic: () => 0,
      after: () => () => {},
      endOfTurn: queueMicrotask,
    },
    perform: () => {},
    tick: { kind: 'tick' },
    failed: () => {},
  }).replay();
}

/** A machine whose rules changed: it judges the n-th event otherwise. */
function changed(
  machine: Controller,
  otherwise: (handled: Handled<ControllerEffect>, event: ControllerEvent) => Handled<ControllerEffect>,
): Machine<ControllerEvent, ControllerEffect> {
  return {
    nextDeadline: () => machine.nextDeadline(),
    handle: (event, now, rules) => otherwise(machine.handle(event, now, rules), event),
  };
}

describe.each(files)('the journal of a controller in %s', (file) => {
  const journal = golden(file);
  const fresh = () => new Controller(journal.controller, journal.idp);

  it('is replayed to the log and the runs that were promised on', () => {
    const machine = fresh();
    expect(replay(journal, machine)).toBe(journal.rows.length);
    expect(goldenState(machine)).toEqual({ root: journal.root, runs: journal.runs });
  });

  it('is not replayed by rules that refuse an old event, or log something else for it', () => {
    const refusing = changed(fresh(), (handled, { kind }) =>
      kind === 'submit' ? { effects: [], durability: 'none' } : handled,
    );
    expect(() => replay(journal, refusing)).toThrow(
      expect.objectContaining({ code: 'JOURNAL_REPLAY_MISMATCH', message: expect.stringMatching(/submit/) }),
    );
    const machine = fresh();
    const logging = changed(machine, (handled, { kind }) => {
      // A rule of today that logs one leaf more than it did then.
      if (kind === 'claim') machine.state.log.append('claim of somebody');
      return handled;
    });
    expect(() => replay(journal, logging)).toThrow(
      expect.objectContaining({ code: 'JOURNAL_REPLAY_MISMATCH' }),
    );
  });
});

it('there is one of all rules before those of today', () => {
  const before = Array.from({ length: Controller.rules - 1 }, (_, n) => `controller-rules-${n + 1}.json`);
  expect(files).toEqual(expect.arrayContaining(before));
});
