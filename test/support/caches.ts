import { join } from 'node:path';

const folder = join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'quorate-tests');

/**
 * For the environment of programs that tests start: half of what a start costs is compiling, and most of what a look at a
 * machine costs is apt reading its lists. Tests start hundreds.
 */
export const caches = { NODE_COMPILE_CACHE: folder, HOME: join(folder, 'home') };
