import { gvisorWith } from '../../sandbox/gvisor/support.ts';
import { networkAttacks } from './network.ts';

networkAttacks({
  ownUnixSockets: true,
  open: async (stateDir) => gvisorWith(stateDir),
  openToHost: async (stateDir) => gvisorWith(stateDir, { network: () => ({ around: [], inside: 'host' }) }),
});
