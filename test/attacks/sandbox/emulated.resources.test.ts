import { Arena } from './suite/arena.ts';
import { eatsTheRest } from './suite/eats-resources.ts';
import { emulatedUnderAttack } from './suite/emulated.ts';

eatsTheRest(new Arena(emulatedUnderAttack));
