import type { ControllerEffect, ControllerEvent } from '../src/controller/machine/events.ts';
import { Controller } from '../src/controller/machine/machine.ts';
import type { Handled } from '../src/protocol/base/durability.ts';
import { reportedError } from '../src/protocol/base/errors.ts';
import { fromUtf8, toUtf8 } from '../src/protocol/base/text.ts';
import { protocols } from '../src/protocol/wire/protocols.ts';
import { Worker } from '../src/worker/machine/machine.ts';
import { breaking } from './broken-controller.ts';
import { breakingPorts } from './broken-workers.ts';
import { busy } from './busy.ts';
import type { Rates } from './rates.ts';
import type { Scenario } from './scenario.ts';
import type { Patches } from './world.ts';

const rates: Partial<Rates> = { restorePerMinute: 0.5 };
const scenario: Partial<Scenario> = { ...busy, trusted: 'there' };

interface Held {
  charter: string;
  leases: { lease: string }[];
}

/** A controller that takes what a member holds of its log for something else. */
const heldAs = (change: (said: Held) => Held): Patches => ({
  inquiry: (ports) => ({
    ...ports,
    dial: async (...target) => {
      const channel = await ports.dial(...target);
      const receive: typeof channel.receive = async (options) => {
        const bytes = await channel.receive(options);
        if (bytes === undefined) return undefined;
        const said = JSON.parse(fromUtf8(bytes)) as Partial<Held>;
        return said.leases === undefined ? bytes : toUtf8(JSON.stringify(change(said as Held)));
      };
      return Object.assign(Object.create(channel) as typeof channel, { receive });
    },
  }),
});

/** Mistakes with a start from an older copy of the journal. */
export const restoreBugs = {
  'start-asks-nobody': {
    says: 'a controller starts from any journal without asking its members',
    caughtBy: 'restores',
    rates,
    scenario,
    patches: (): Patches => ({ inquiry: (ports) => ({ ...ports, alone: true }) }),
  },
  'leaves-unchecked': {
    says: 'the leaves that the journal lacks are taken as a liar gives them, whatever root was signed over them',
    caughtBy: 'log',
    rates,
    scenario,
    patches: breaking((_, handle) => (event, now) => {
      if (event.kind !== 'recovered') return handle(event, now);
      const leaves = event.leaves.map((leaf, at) => (at === 0 ? 'charter of another story' : leaf));
      return handle({ ...event, leaves }, now);
    }),
  },
  'epoch-goes-on': {
    says: 'the fence epoch goes on from that of the copy',
    caughtBy: 'leases',
    rates: { ...rates, crashPerMinute: 0.5 },
    scenario,
    patches: breaking(({ state }, handle) => (event, now) => {
      const { epoch } = state;
      const effects = handle(event, now);
      if (event.kind === 'recovered') state.epoch = epoch;
      return effects;
    }),
  },
  'promises-forgotten': {
    says: 'acks beyond the largest checkpoint are not taken from the members that hold them',
    caughtBy: 'acks',
    rates,
    scenario,
    patches: () => heldAs((said) => ({ ...said, leases: said.leases.map(({ lease }) => ({ lease })) })),
  },
  'older-charter-stays': {
    says: 'a controller whose copy has an older charter takes none from its members',
    caughtBy: 'charters',
    rates,
    scenario: {
      ...scenario,
      charters: [{ afterMs: 60_000, replaces: 'nothing' as const }],
    },
    patches: (): Patches => {
      let first: string | undefined;
      return heldAs((said) => {
        first ??= said.charter;
        return { ...said, charter: first };
      });
    },
  },
  'given-back-unlisted': {
    says: 'a run whose trusted bundle came back after a restore is called lost',
    caughtBy: 'finished',
    rates,
    scenario,
    patches: breaking((_, handle) => (event, now) => (event.kind === 'given-back' ? [] : handle(event, now))),
  },
  'lost-ack-believed': {
    says: 'a worker whose ack the restored journal does not have sends its receipt no more',
    caughtBy: 'lease ends',
    rates,
    scenario,
    patches: (): Patches => ({
      worker: (id) => Object.assign(new Worker(id), { ackedReceipt: () => undefined }),
    }),
  },
  'signed-unkept': {
    says: 'a trusted worker signs checkpoints, and keeps no leaf of what they are over',
    caughtBy: 'restores',
    rates,
    scenario,
    patches: breakingPorts(() => ({ leafFile: { load: async () => [], append: async () => {} } })),
  },
  'signed-unasked': {
    says: 'a trusted worker is not asked for the bundles that it signed in a life that the copy does not have',
    caughtBy: 'finished',
    rates,
    scenario,
    patches: (): Patches => ({
      inquiry: (ports) => ({
        ...ports,
        dial: (peer, protocol, options) =>
          protocol === protocols.bundle
            ? Promise.reject(reportedError('MESH_UNREACHABLE', 'it is not asked'))
            : ports.dial(peer, protocol, options),
      }),
    }),
  },
};

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
