import { Arena } from './suite/arena.ts';
import { eatsMemory, eatsTheRest } from './suite/eats-resources.ts';
import { namespaceUnderAttack } from './suite/namespace.ts';

const arena = new Arena(namespaceUnderAttack);
eatsMemory(arena);
eatsTheRest(arena);
