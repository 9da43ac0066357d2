import { Arena } from './suite/arena.ts';
import { attacksTheHost, readsTheHost } from './suite/attacks-the-host.ts';
import { gvisorUnderAttack } from './suite/gvisor.ts';

const arena = new Arena(gvisorUnderAttack);
readsTheHost(arena);
attacksTheHost(arena);
