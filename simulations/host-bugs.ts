import { busy } from './busy.ts';
import { calm } from './rates.ts';
import type { Scenario } from './scenario.ts';
import type { Patches } from './world.ts';

const cautious: Partial<Scenario> = {
  ...busy,
  operators: busy.operators.map((operator) => ({ ...operator, allowsAfterMs: 60_000 })),
  charters: [{ afterMs: 30_000, replaces: 'nothing' }],
};

/** Mistakes with the hosts that an operator allows. */
export const hostBugs = {
  'hosts-not-looked-at': {
    says: 'a worker claims a job whatever host its source is on',
    caughtBy: 'hosts',
    rates: calm,
    scenario: cautious,
    patches: (): Patches => ({
      workerPorts: (ports) => ({
        ...ports,
        dispatch: (event) => ports.dispatch(event.kind === 'offer' ? { ...event, hosts: [] } : event),
      }),
    }),
  },
  'host-untold': {
    says: 'a charter that names another host is told to nobody',
    caughtBy: 'hosts',
    rates: calm,
    scenario: cautious,
    patches: (): Patches => ({
      workerPorts: (ports) => ({
        ...ports,
        tell: (level, kind, says, data) => {
          if (kind !== 'host-named') ports.tell(level, kind, says, data);
        },
      }),
    }),
  },
};
