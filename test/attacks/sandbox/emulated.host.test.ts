import { Arena } from './suite/arena.ts';
import { readsTheHost } from './suite/attacks-the-host.ts';
import { emulatedUnderAttack } from './suite/emulated.ts';

readsTheHost(new Arena(emulatedUnderAttack));
