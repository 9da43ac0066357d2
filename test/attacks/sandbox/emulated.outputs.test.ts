import { Arena } from './suite/arena.ts';
import { emulatedUnderAttack } from './suite/emulated.ts';
import { makesHostileOutputs } from './suite/hostile-outputs.ts';
import { judgesItself } from './suite/judges-itself.ts';

const arena = new Arena(emulatedUnderAttack);
judgesItself(arena);
makesHostileOutputs(arena);
