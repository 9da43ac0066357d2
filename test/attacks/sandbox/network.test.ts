import { networkAttacks } from './network.ts';
import { sandboxWith } from './support.ts';

networkAttacks({
  open: async (stateDir) => sandboxWith(stateDir),
  openToHost: async (stateDir) => sandboxWith(stateDir, { network: () => [] }),
});
