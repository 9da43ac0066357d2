import { fileURLToPath } from 'node:url';

/** The folder that the tests lie in. */
export const checkout = fileURLToPath(new URL('../..', import.meta.url));
