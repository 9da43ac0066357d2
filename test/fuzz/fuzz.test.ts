import { checkAll } from './check-all.ts';

/** Of each target so many inputs, or so long: long-fuzz.test.ts and `npm run fuzz` are for more. */
checkAll({ seed: 20_260_101, inputsMax: 300, msMax: 150 });
