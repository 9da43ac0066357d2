import { alone, clocks } from '../support/projects.ts';
import type { Copy } from './copy.ts';
import type { Recorded } from './coverage.ts';
import type { Mutation } from './operators.ts';
import type { Plan } from './plan.ts';
import { hasFloatingPromise, type Ran, runTests } from './run-tests.ts';

export interface Outcome {
  readonly killed: boolean;
  /** The file of tests that noticed. */
  readonly by?: string;
  /** Files that ran, and those that the budget left out. */
  readonly tests: number;
  readonly left: number;
  readonly ms: number;
}

/** In the place of a file of tests. */
export const lint = 'biome lint';

/** Files that end soon share a run, so that a test that waits in vain is given up soon. */
const soonMs = 5_000;

const slowest = (tests: readonly Recorded[]) => Math.max(0, ...tests.map(({ ms }) => ms));
/** Generous: the machine may be busier than it was when the times were taken. */
const testMsMax = (tests: readonly Recorded[]) => 15_000 + 10 * slowest(tests);
const costOf = (tests: readonly Recorded[]) => tests.reduce((sum, { ms }) => sum + ms, 0);
const runMsMax = (tests: readonly Recorded[]) => 60_000 + 2 * testMsMax(tests) + 5 * costOf(tests);

const ownProcess = new Set([...alone, ...clocks]);

/** Files that run in one process. */
function sharing(tests: readonly Recorded[]): Recorded[][] {
  const others = tests.filter(({ path }) => !ownProcess.has(path));
  const isSoon = ({ ms }: Recorded) => ms <= soonMs;
  const [soon, later] = [others.filter(isSoon), others.filter((one) => !isSoon(one))];
  return [soon, later, ...tests.filter((one) => !others.includes(one)).map((one) => [one])];
}

export class Trials {
  readonly #copy: Copy;
  readonly #startsPrograms: (test: string) => boolean;
  readonly #signal: AbortSignal;
  readonly #passed = new Set<string>();

  constructor(copy: Copy, startsPrograms: (test: string) => boolean, signal: AbortSignal) {
    this.#copy = copy;
    this.#startsPrograms = startsPrograms;
    this.#signal = signal;
  }

  async try(mutation: Mutation, { tests, left }: Plan): Promise<Outcome> {
    const began = performance.now();
    const outcome = (killed: boolean, by?: string): Outcome => ({
      killed,
      tests: tests.length,
      left,
      ms: Math.round(performance.now() - began),
      ...(by === undefined ? {} : { by }),
    });
    if (mutation.kind === 'removed await') {
      const look = () => hasFloatingPromise(this.#copy, mutation.path, this.#signal);
      if ((await this.#copy.with(mutation, look)) && !(await look())) return outcome(true, lint);
      this.#signal.throwIfAborted();
    }
    for (const some of sharing(tests))
      for (let open = some; open.length > 0; ) {
        const ran = await this.#copy.with(mutation, () => this.#run(open));
        if (ran.passed) break;
        // Without a name, the process ended, or was ended, before it could tell.
        const last = open.findIndex(({ path }) => path === ran.failed[0]);
        const ended = last === -1 ? open : open.slice(0, last + 1);
        const by = open[last === -1 ? 0 : last]?.path ?? '';
        if (ran.ms < soonMs + costOf(ended) || (await this.#passes(ended))) return outcome(true, by);
        open = open.filter(({ path }) => path !== by);
      }
    return outcome(false);
  }

  /** A failure that took longer than the tests do counts when they pass, in the same order, without the mutation. */
  async #passes(tests: readonly Recorded[]): Promise<boolean> {
    const key = tests.map(({ path }) => path).join();
    if (this.#passed.has(key)) return true;
    const { passed } = await this.#run(tests);
    if (passed) this.#passed.add(key);
    return passed;
  }

  #run(tests: readonly Recorded[]): Promise<Ran> {
    const files = tests.map(({ path }) => path);
    const programs = files.some(this.#startsPrograms);
    const order = { files, programs, workers: 1, testMsMax: testMsMax(tests) };
    return runTests(this.#copy, order, runMsMax(tests), this.#signal);
  }
}
