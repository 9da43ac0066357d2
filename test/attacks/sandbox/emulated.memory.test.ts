import { Arena } from './suite/arena.ts';
import { eatsMemory } from './suite/eats-resources.ts';
import { emulatedUnderAttack } from './suite/emulated.ts';

eatsMemory(new Arena(emulatedUnderAttack));
