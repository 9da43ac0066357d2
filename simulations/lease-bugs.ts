import { liveLeases } from '../src/controller/machine/state.ts';
import { ownVersion } from '../src/protocol/wire/peer-version.ts';
import { breaking } from './broken-controller.ts';
import { breakingPorts } from './broken-workers.ts';
import { busy, busyWith } from './busy.ts';
import { calm } from './rates.ts';
import type { Patches } from './world.ts';

export const leaseBugs = {
  'failure-untold': {
    says: 'a worker that cannot sign its receipt reports no failure, and keeps its lease alive',
    caughtBy: 'lease ends',
    rates: calm,
    scenario: busyWith({ unsigned: true }),
    patches: breakingPorts((ports) => ({
      dispatch: (event) => (event.kind === 'failed' ? Promise.resolve() : ports.dispatch(event)),
    })),
  },
  'nobody-waited-for': {
    says: 'a round waits for operators that nobody has for as long as for those that are busy',
    caughtBy: 'absences',
    rates: calm,
    scenario: { ...busy, operators: busy.operators.slice(0, 2) },
    patches: breaking((_, handle) => (event, now) => (event.kind === 'untaken' ? [] : handle(event, now))),
  },
  'deadline-ignored': {
    says: 'a lease lasts for as long as its worker sends heartbeats',
    caughtBy: 'lease ends',
    rates: calm,
    scenario: busyWith({ behaviour: 'endless' }),
    patches: breaking(({ state }, handle) => (event, now) => {
      const effects = handle(event, now);
      for (const run of state.runs.values())
        for (const live of liveLeases(run)) live.lease = { ...live.lease, exp: run.request.payload.exp };
      return effects;
    }),
  },
  'least-version-ignored': {
    says: 'a worker below the least version of the charter that does not know of it gets a lease',
    caughtBy: 'versions',
    ...{ rates: calm, scenario: busy },
    source: {
      file: 'controller/sessions/lease-server.ts',
      from: 'if (below !== undefined && pass === undefined)',
      to: 'if (below !== undefined && pass !== undefined)',
    },
    patches: (): Patches => ({
      leastWorker: '0.9.1',
      // The worker states 0.9.0 and compares its own version with the least one.
      workerPorts: (ports) => ({
        ...ports,
        version: Object.assign({ ...ports.version }, { toJSON: () => ownVersion('0.9.0') }),
      }),
    }),
  },
};
