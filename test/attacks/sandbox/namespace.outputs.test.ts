import { Arena } from './suite/arena.ts';
import { makesHostileOutputs } from './suite/hostile-outputs.ts';
import { judgesItself } from './suite/judges-itself.ts';
import { namespaceUnderAttack } from './suite/namespace.ts';

const arena = new Arena(namespaceUnderAttack);
judgesItself(arena);
makesHostileOutputs(arena);
