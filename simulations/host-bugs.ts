import { breakingPorts } from './broken-workers.ts';
import { busyWith } from './busy.ts';
import { calm } from './rates.ts';
import type { Scenario } from './scenario.ts';

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
