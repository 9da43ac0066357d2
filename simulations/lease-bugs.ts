import { liveLeases } from '../src/controller/machine/state.ts';
import type { Policy } from '../src/protocol/documents/index.ts';
import { ownVersion } from '../src/protocol/wire/peer-version.ts';
import { breaking, breakingAfter } from './broken-controller.ts';
import { breakingPorts } from './broken-workers.ts';
import { busy, busyWith } from './busy.ts';
import { calm } from './rates.ts';
import type { Behaviour, Nature, Scenario } from './scenario.ts';
import type { Patches } from './world.ts';

const scenario: Partial<Scenario> = {
  ...busyWith({ allowsAfterMs: 60_000 }),
  charters: [{ afterMs: 30_000, replaces: 'nothing' }],
};
const common = { caughtBy: 'hosts', rates: calm, scenario };

/** Mistakes with the hosts that an operator allows. */
export const hostBugs = {
  'hosts-not-looked-at': {
    ...common,
    says: 'a worker claims a job whatever host its source is on',
    patches: breakingPorts((ports) => ({
      dispatch: (event) => ports.dispatch(event.kind === 'offer' ? { ...event, hosts: [] } : event),
    })),
  },
  'host-untold': {
    ...common,
    says: 'a charter that names another host is told to nobody',
    patches: breakingPorts((ports) => ({
      tell: (level, kind, says, data) => {
        if (kind !== 'host-named') ports.tell(level, kind, says, data);
      },
    })),
  },
};

const works = (nature: Nature): Partial<Scenario> => ({
  ...busy,
  works: (busy.works ?? []).map((work) => ({ ...work, nature })),
});
const liars: Behaviour[] = ['aborts', 'aborts', 'honest', 'honest'];

/** Mistakes with limits at which builds are aborted. */
export const limitBugs = {
  'limits-passed-over': {
    says: 'what workers report of a limit is not kept: a build that exceeds it is leased until all rounds are used',
    caughtBy: 'limits',
    rates: calm,
    scenario: works('too many files'),
    patches: breaking((_, handle) => (event, now) => {
      if (event.kind !== 'receipt') return handle(event, now);
      const { limit: _limit, ...rest } = event;
      return handle(rest, now);
    }),
  },
  'one-operator-ends-it': {
    says: 'a run ends at the limit that one operator reports, whatever the trusted worker comes to',
    caughtBy: 'limits',
    rates: calm,
    scenario: {
      ...works('reproducible'),
      operators: busy.operators.map((operator, n) => ({ ...operator, behaviour: liars[n] ?? 'honest' })),
    },
    patches: breaking(({ state }, handle) => (event, now) => {
      if (event.kind !== 'receipt' || event.limit === undefined) return handle(event, now);
      const run = state.runs.get(state.leases.get(event.lease) ?? '');
      if (run === undefined) return handle(event, now);
      const { request } = run;
      const policy: Policy = { ...request.payload.policy, cosign: 'none', agree: 1, of: 1 };
      run.request = { ...request, payload: { ...request.payload, policy } };
      const effects = handle(event, now);
      run.request = request;
      return effects;
    }),
  },
};

export const drainBugs = {
  'drain-ignored': {
    says: 'a controller that is drained begins rounds as before',
    caughtBy: 'drains',
    rates: { ...calm, drainPerMinute: 1 },
    patches: breaking(({ state }, handle) => (event, now) => {
      const before = state.draining;
      state.draining = false;
      const effects = handle(event, now);
      state.draining ||= before && event.kind !== 'started';
      return effects;
    }),
  },
};

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
    patches: breakingAfter(({ state }) => {
      for (const run of state.runs.values())
        for (const live of liveLeases(run)) live.lease = { ...live.lease, exp: run.request.payload.exp };
    }),
  },
  'least-version-ignored': {
    says: 'a worker below the least version of the charter that does not know of it gets a lease',
    caughtBy: 'versions',
    rates: calm,
    scenario: busy,
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
