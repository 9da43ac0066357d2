import type { Told } from './story.ts';

/** Each job is followed on a stream of its own; what is told at about the same time arrives in any order. */
const holdMs = 250;

/** Hands on what is told of several jobs by its time; what is of the same time in the order of the jobs. */
export class InOrder {
  readonly #jobs: readonly string[];
  readonly #give: (told: Told) => void;
  #held: Told[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(jobs: readonly string[], give: (told: Told) => void) {
    this.#jobs = jobs;
    this.#give = give;
  }

  push(told: Told): void {
    this.#held.push(told);
    this.#timer ??= setTimeout(() => this.flush(), holdMs);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const place = ({ job }: Told) => this.#jobs.indexOf(job);
    const held = this.#held.sort((a, b) => a.at - b.at || place(a) - place(b));
    this.#held = [];
    for (const told of held) this.#give(told);
  }
}
