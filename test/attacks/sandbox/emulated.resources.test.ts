import { Arena } from './suite/arena.ts';
import { eatsMemory, eatsTheRest } from './suite/eats-resources.ts';
import { emulatedUnderAttack } from './suite/emulated.ts';

const arena = new Arena(emulatedUnderAttack);
eatsMemory(arena);
eatsTheRest(arena);
