import { checkAll } from './check-all.ts';

/**
 * Of each target so many inputs, or so long: long-fuzz.test.ts and `npm run fuzz` are for more. One input of `sessions-ends` is a seed
 * of the simulator, of which sessions.test.ts takes as many as it needs.
 */
checkAll({ seed: 20_260_101, inputsMax: 100, msMax: 40 }, ['sessions-ends']);
