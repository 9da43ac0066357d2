import type { Policy } from '../../src/protocol/documents/index.ts';
import { Random } from '../random.ts';
import { type Attack, drawn, type Setting } from './attacks.ts';
import { type Outcome, run } from './run.ts';

/** Shares and means over many runs. */
export interface Measured {
  jobs: number;
  /** A tampered artifact was published as agreed, or as more. */
  agreed: number;
  /** A tampered artifact ended as trusted. */
  trusted: number;
  /** Of the runs with a tampered receipt: nobody was told, or who first told of another result. */
  noticed: { operators: number; trusted: number; nobody: number };
  /** Mean hours until somebody noticed; NaN where nobody did. */
  noticedHours: number;
  /** The honest artifact ended as trusted. */
  honest: number;
  /** Builds of all runs for each honest artifact that ended as trusted. */
  buildsPerArtifact: number;
  /** Mean hours to a trusted honest artifact. */
  hours: number;
  /** Ended as disputed or unfinished. */
  disputed: number;
  unfinished: number;
  /** Mean hours that a tampered artifact stood as agreed before it was revoked. */
  exposedHours: number;
}

export function measure(
  attack: Attack,
  policy: Policy,
  setting: Setting,
  jobs: number,
  seed: string,
): Measured {
  const random = new Random(
    `${seed} ${attack.name} ${policy.agree}/${policy.of} ${policy.cosign} ${setting.share}`,
  );
  const cast = attack.cast(setting);
  const outcomes: Outcome[] = [];
  for (let job = 0; job < jobs; job++) {
    const ask = attack.ask?.(setting, job, policy.of) ?? drawn(setting, job);
    outcomes.push(run(policy, cast, ask, random));
  }
  return summed(outcomes);
}

export function summed(outcomes: readonly Outcome[]): Measured {
  const jobs = outcomes.length;
  const share = (counts: (outcome: Outcome) => boolean) => outcomes.filter(counts).length / jobs;
  const honest = outcomes.filter(({ level, tampered }) => level === 'trusted' && !tampered);
  const attacked = outcomes.filter(({ attacked }) => attacked);
  const seenBy = (by?: 'operators' | 'trusted worker') =>
    attacked.length === 0 ? 0 : attacked.filter(({ noticed }) => noticed?.by === by).length / attacked.length;
  const revoked = outcomes.filter(({ exposedHours }) => exposedHours > 0 && Number.isFinite(exposedHours));
  return {
    jobs,
    agreed: share(({ exposedHours }) => exposedHours > 0),
    trusted: share(({ level, tampered }) => level === 'trusted' && tampered),
    noticed: { operators: seenBy('operators'), trusted: seenBy('trusted worker'), nobody: seenBy() },
    noticedHours: mean(outcomes.flatMap(({ noticed }) => (noticed === null ? [] : [noticed.hours]))),
    honest: honest.length / jobs,
    buildsPerArtifact: outcomes.reduce((sum, { builds }) => sum + builds, 0) / honest.length,
    hours: mean(honest.map(({ hours }) => hours)),
    disputed: share(({ level }) => level === 'disputed'),
    unfinished: share(({ level }) => level === 'unfinished'),
    exposedHours: mean(revoked.map(({ exposedHours }) => exposedHours)),
  };
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
