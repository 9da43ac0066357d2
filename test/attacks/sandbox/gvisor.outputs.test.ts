import { Arena } from './suite/arena.ts';
import { gvisorUnderAttack } from './suite/gvisor.ts';
import { makesHostileOutputs } from './suite/hostile-outputs.ts';
import { judgesItself } from './suite/judges-itself.ts';

const arena = new Arena(gvisorUnderAttack);
judgesItself(arena);
makesHostileOutputs(arena);
