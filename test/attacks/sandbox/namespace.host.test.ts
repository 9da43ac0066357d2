import { Arena } from './suite/arena.ts';
import { attacksTheHost, readsTheHost } from './suite/attacks-the-host.ts';
import { namespaceUnderAttack } from './suite/namespace.ts';

const arena = new Arena(namespaceUnderAttack);
readsTheHost(arena);
attacksTheHost(arena);
