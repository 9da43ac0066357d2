import { join } from 'node:path';
import { caches } from './caches.ts';

/** Where the programs are made, as a package has them. */
export const programFolder = join(caches.NODE_COMPILE_CACHE, 'program');

export const quietFlag = '--disable-warning=ExperimentalWarning';

/** `quorate …`, run by Node itself, so that a signal reaches it and nothing else. */
export const quorateWords = [process.execPath, quietFlag, join(programFolder, 'quorate.js')] as const;
