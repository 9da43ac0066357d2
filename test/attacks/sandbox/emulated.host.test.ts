import { Arena } from './suite/arena.ts';
import { attacksTheHost, readsTheHost } from './suite/attacks-the-host.ts';
import { emulatedUnderAttack } from './suite/emulated.ts';

const arena = new Arena(emulatedUnderAttack);
readsTheHost(arena);
attacksTheHost(arena);
