import type { ControllerEffect, ControllerEvent } from '../src/controller/machine/events.ts';
import { Controller } from '../src/controller/machine/machine.ts';
import type { Handled } from '../src/protocol/base/durability.ts';
import type { Patches } from './world.ts';

/** Mistakes with what has to be on disk before others hear of it. */
export const journalBugs = {
  'ack-before-journal': {
    says: 'effects are carried out before the event is in the journal',
    caughtBy: 'acks',
    patches: (): Patches => ({ journalLate: 'append' }),
  },
  'ack-before-sync': {
    says: 'effects are carried out before the batch of their events is synced',
    caughtBy: 'acks',
    rates: { controllerCrashPerEvent: 0.15 },
    patches: (): Patches => ({ journalLate: 'sync' }),
  },
  'promises-unsynced': {
    says: 'promises are written and not synced: they may be lost in a power cut',
    caughtBy: 'acks',
    patches: (): Patches => ({
      controller: (id, idp) => {
        const real = new Controller(id, idp);
        const handle = real.handle.bind(real);
        return Object.assign(real, {
          handle: (event: ControllerEvent, now: number): Handled<ControllerEffect> => {
            const { effects, durability } = handle(event, now);
            return { effects, durability: durability === 'sync' ? 'lazy' : durability };
          },
        });
      },
    }),
  },
};
