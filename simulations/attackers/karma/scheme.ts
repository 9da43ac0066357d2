import type { Random } from '../../random.ts';

/** Hosts for one job, by chance and each once, and their builds. `honest` is the right result. */
export interface Job {
  /** Another host; undefined when all were asked. */
  next: () => number | undefined;
  build: (host: number) => string;
}

export interface Ended {
  /** The accepted result; null: none was. */
  result: string | null;
  builds: number;
}

/** Knowledge of a scheme about hosts: `learns` is false for a job that is only a question. */
export interface Memory {
  run: (job: Job, random: Random, learns: boolean) => Ended;
  /** The host of this number left, and another one has its place. */
  replace: (host: number) => void;
}

export interface Scheme {
  name: string;
  fresh: (hosts: number) => Memory;
}

/** Hosts of a job until a scheme gives up: BOINC's max_success_results is of this order. */
export const hostsPerJobMax = 8;
