import { Arena } from './suite/arena.ts';
import { eatsMemory, eatsTheRest } from './suite/eats-resources.ts';
import { gvisorUnderAttack } from './suite/gvisor.ts';

const arena = new Arena(gvisorUnderAttack);
eatsMemory(arena);
eatsTheRest(arena);
