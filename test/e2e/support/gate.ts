import { processesWith, uniqueSleep } from '../../sandbox/support.ts';
import { until } from './wait.ts';

/** A step at which builds of this machine wait until the test lets them go on. */
export interface Gate {
  step: string;
  /** Waits for that many builds to stand there. */
  reached(builds: number): Promise<void>;
  /** Lets those go on that stand there. */
  open(): Promise<void>;
}

export function gate(): Gate {
  const marker = uniqueSleep();
  return {
    step: `sleep ${marker} || true`,
    reached: async (builds) => {
      await until(`${builds} builds at the gate`, async () => (await processesWith(marker)).length >= builds);
    },
    open: async () => {
      for (const pid of await processesWith(marker)) process.kill(pid);
    },
  };
}
