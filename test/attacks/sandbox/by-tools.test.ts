import { Arena } from './suite/arena.ts';
import { makesHostileOutputs } from './suite/hostile-outputs.ts';
import { judgesItself } from './suite/judges-itself.ts';
import { namespaceByTools } from './suite/namespace.ts';

const arena = new Arena(namespaceByTools);
judgesItself(arena);
makesHostileOutputs(arena);
