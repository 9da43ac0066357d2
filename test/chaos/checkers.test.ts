import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { ControllerEffect, ControllerEvent } from '../../src/controller/machine/events.ts';
import { Controller } from '../../src/controller/machine/machine.ts';
import type { GoldenJournal } from '../vectors/journal.ts';
import { Checked, replayInto, truthOf } from './faults/journals.ts';

const file = join(import.meta.dirname, '../vectors/journal/controller-rules-3.json');
const golden = (): GoldenJournal => JSON.parse(readFileSync(file, 'utf8'));

/** Replays a journal of a release into the checkers of the chaos script, with what comes of its events changed. */
async function found(change: (effect: ControllerEffect) => ControllerEffect): Promise<string[]> {
  const { controller, idp, rows } = golden();
  const machine = new Controller(controller, idp);
  const changed = {
    state: machine.state,
    handle(event: ControllerEvent, now: number, rules?: number) {
      const handled = machine.handle(event, now, rules);
      return { ...handled, effects: handled.effects.map(change) };
    },
  };
  const { state } = machine;
  const checked = new Checked(
    truthOf({
      project: '',
      controller,
      builtUnder: () => undefined,
      personOf: (key) => state.keys.get(key)?.operator ?? key,
    }),
  );
  await replayInto(checked, changed, rows);
  return checked.found;
}

const leaseAt = (fence: { epoch: number; n: number }) => (effect: ControllerEffect) =>
  effect.kind === 'reply' && effect.reply.kind === 'lease'
    ? { ...effect, reply: { ...effect.reply, lease: { ...effect.reply.lease, fence } } }
    : effect;

it('a journal that a release wrote holds', async () => {
  expect(await found((effect) => effect)).toEqual([]);
});

it.each([
  [
    'acks',
    (effect: ControllerEffect) =>
      effect.kind === 'reply' && effect.reply.kind === 'ack'
        ? { ...effect, reply: { ...effect.reply, ack: { ...effect.reply.ack, index: 3 } } }
        : effect,
  ],
  ['leases', leaseAt({ epoch: 1, n: 1 })],
] as const)('one in which %s do not hold is found out', async (invariant, change) => {
  expect((await found(change)).join('\n')).toContain(`checker ${invariant}: `);
});
