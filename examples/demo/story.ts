import type { Progress } from '../../src/protocol/wire/progress.ts';

/** An event of a job from the controller; `at` is by its clock, in milliseconds. */
export interface Told {
  at: number;
  job: string;
  progress: Progress;
}

type Of<K extends Progress['kind']> = Extract<Progress, { kind: K }>;

/** Events of the jobs of a pipeline, in the order in which the controller sent them. */
export class Story {
  readonly #told: Told[] = [];

  add(told: Told): void {
    this.#told.push(told);
  }

  all<K extends Progress['kind']>(job: string, kind: K): (Of<K> & { at: number })[] {
    return this.#told.flatMap(({ at, job: of, progress }) =>
      of === job && progress.kind === kind ? [{ ...(progress as Of<K>), at }] : [],
    );
  }

  /** Times of the verdicts of this level. */
  verdicts(job: string, level: string): number[] {
    return this.all(job, 'verdict').flatMap((verdict) => (verdict.level === level ? [verdict.at] : []));
  }

  level(job: string): string | undefined {
    return this.all(job, 'verdict').at(-1)?.level;
  }

  /** Artifacts of the verdicts, the last one at the end. */
  artifacts(job: string): (string | null)[] {
    return this.all(job, 'verdict').map(({ artifact }) => artifact);
  }

  /** An input was lost after the job had begun on it. */
  fell(job: string): boolean {
    return this.all(job, 'input-lost').length > 0;
  }

  /** A job that fell, began anew on other bytes, and is trusted. */
  rebuilt(job: string): boolean {
    const fell = this.all(job, 'input-lost').at(-1)?.at ?? Number.NaN;
    return this.all(job, 'inputs').some(({ at }) => at >= fell) && this.level(job) === 'trusted';
  }

  isTest(job: string): boolean {
    return this.all(job, 'accepted').some(({ test }) => test === true);
  }

  /** A job that was agreed and became trusted, with no build between the two verdicts. */
  rose(job: string): boolean {
    const [agreed] = this.verdicts(job, 'agreed');
    const [trusted] = this.verdicts(job, 'trusted');
    if (agreed === undefined || trusted === undefined) return false;
    return !this.all(job, 'leased').some(({ at }) => at > agreed && at <= trusted);
  }
}

/** Milliseconds. */
export interface Ahead {
  /** From the first test's begin to the last one's end. */
  tests: number;
  /** From the agreement on the build to its confirmation: what `needs: {build: trusted}` would have waited for. */
  waited: number;
  /** From the confirmation of the build until the last test was trusted. */
  rise: number;
}

const first = (times: number[]): number => times[0] ?? Number.NaN;

/** How tests got ahead of the confirmation of what they test. Undefined where they did not rise. */
export function aheadOf(story: Story, build: string, tests: readonly string[]): Ahead | undefined {
  const agreed = first(story.verdicts(build, 'agreed'));
  const confirmed = first(story.verdicts(build, 'trusted'));
  const began = Math.min(...tests.map((test) => first(story.all(test, 'inputs').map(({ at }) => at))));
  const ended = Math.max(...tests.map((test) => first(story.verdicts(test, 'agreed'))));
  const risen = Math.max(...tests.map((test) => first(story.verdicts(test, 'trusted'))));
  const ahead = { tests: ended - began, waited: confirmed - agreed, rise: risen - confirmed };
  return Object.values(ahead).some(Number.isNaN) ? undefined : ahead;
}

/** Milliseconds that tests took which began anew, on trusted bytes: from the first one's last begin until all were trusted. */
export function takenAnew(story: Story, tests: readonly string[]): number {
  const began = tests.map((test) => story.all(test, 'inputs').at(-1)?.at ?? Number.NaN);
  const trusted = tests.map((test) => story.verdicts(test, 'trusted').at(-1) ?? Number.NaN);
  return Math.max(...trusted) - Math.min(...began);
}

/**
 * Milliseconds by which tests were trusted earlier than if they had begun with the confirmation: what they take on trusted
 * bytes, as measured (at most what they took ahead), less the time that their rise took.
 */
export const savedBy = ({ tests, rise }: Ahead, anew: number): number => Math.min(tests, anew) - rise;
