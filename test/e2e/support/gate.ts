import { processesWith, uniqueSleep } from '../../sandbox/support.ts';
import { sleep, until } from './wait.ts';

/** A step at which builds of this machine wait until the test lets them go on. */
export interface Gate {
  step: string;
  /** Waits for that many builds to stand there. */
  reached(builds: number): Promise<void>;
  /** Lets those go on that stand there. */
  open(): Promise<void>;
  /** The same, and those that come later, as long as this is not over. */
  openDuring<T>(what: Promise<T>): Promise<T>;
}

const lookMs = 300;

export function gate(): Gate {
  const marker = uniqueSleep();
  const open = async () => {
    for (const pid of await processesWith(marker)) process.kill(pid);
  };
  return {
    step: `sleep ${marker} || true`,
    reached: async (builds) => {
      await until(`${builds} builds at the gate`, async () => (await processesWith(marker)).length >= builds);
    },
    open,
    openDuring: async (what) => {
      let isOver = false;
      const over = what.finally(() => {
        isOver = true;
      });
      over.catch(() => {});
      while (!isOver) {
        await open();
        await Promise.race([over, sleep(lookMs)]);
      }
      return what;
    },
  };
}
