import { inputs } from './inputs.ts';
import { promotion, verification } from './promotion.ts';
import type { Suite } from './run.ts';

export const suite: Suite = {
  what: 'jobs that rest on others: their promotion, their evidence, what inputs cost',
  secondsMax: 900,
  async run(bench) {
    await promotion(bench);
    await verification(bench);
    await inputs(bench);
  },
};
