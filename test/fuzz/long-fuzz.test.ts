import { checkAll } from './check-all.ts';

checkAll({ seed: 20_260_102, inputsMax: 20_000, msMax: 2_000 });
