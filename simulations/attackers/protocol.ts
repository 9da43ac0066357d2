import type { Policy } from '../../src/protocol/documents/index.ts';
import type { Observe } from '../observer.ts';
import { truthOf } from '../outcomes.ts';
import { Random } from '../random.ts';
import { calm } from '../rates.ts';
import type { Behaviour, Scenario, Work } from '../scenario.ts';
import { simulate } from '../simulate.ts';
import { lowestDraws } from './draw.ts';
import { type Outcome, run } from './run.ts';

/** Operators up to which the real machines run, with their sessions and documents. Above it only draw and decision are production's. */
export const protocolOperatorsMax = 12;

/** Time for two rounds of a job, so that nobody is busy with the one before. */
const spacingMs = 8 * 60_000;

/** How a run of the real machines went. */
export interface ProtocolRun {
  policy: Policy;
  /** Seed of the draw and operators that were leased a slot, for each round. */
  rounds: { seed: string; operators: string[] }[];
  level: Outcome['level'];
  tampered: boolean;
}

type Trusted = Extract<Scenario['trusted'], 'there' | 'absent'>;

/** One job for each policy, one after the other, among operators of which the first `attackers` behave as told. */
export async function protocolRuns(
  seed: number,
  {
    policies,
    operators,
    ...cast
  }: {
    policies: readonly Policy[];
    operators: number;
    attackers: number;
    behaviour: Behaviour;
    trusted: Trusted;
  },
): Promise<ProtocolRun[]> {
  const works = policies.map(
    (policy, n): Work => ({
      name: `job${seed}-${n}`,
      nature: 'reproducible',
      policy,
      submitAfterMs: n * spacingMs,
      cancelAfterMs: undefined,
      expiresSeconds: 3600,
    }),
  );
  const runs = new Map<string, ProtocolRun>();
  const observe: Observe = (seen, truth) => {
    if (seen.kind === 'published') {
      const found = runs.get(truth.workOf(seen.run)?.name ?? '');
      const work = truth.workOf(seen.run);
      if (found === undefined || work === undefined) return;
      const { level, outcome } = seen.verdict.predicate.quorate_verdict;
      if (level === 'failed') throw new Error('no job of these fails');
      found.level = level;
      const artifact = outcome?.kind === 'exit' ? outcome.artifact : null;
      const right = truthOf(work);
      found.tampered = artifact !== null && right?.kind === 'exit' && artifact !== right.artifact;
    }
    if (seen.kind !== 'handled') return;
    for (const effect of seen.effects) {
      if (effect.kind === 'offer') {
        const { policy, round, draw } = effect.offer;
        const found = runFor(effect.run, truth.workOf(effect.run), policy);
        if (found !== undefined) found.rounds[round - 1] ??= { seed: draw.seed, operators: [] };
      } else if (effect.kind === 'progress' && effect.progress.kind === 'leased') {
        const { round, slot, operator } = effect.progress;
        const name = truth.workOf(effect.run)?.name ?? '';
        if (slot !== 'trusted') runs.get(name)?.rounds[round - 1]?.operators.push(operator);
      }
    }
  };
  function runFor(_id: string, work: Work | undefined, policy: Policy): ProtocolRun | undefined {
    if (work === undefined) return undefined;
    const found = runs.get(work.name) ?? { policy, rounds: [], level: 'unfinished', tampered: false };
    runs.set(work.name, found);
    return found;
  }
  const { failure } = await simulate(seed, {
    once: true,
    rates: calm,
    checkers: () => [{ invariant: 'attackers', observe }],
    scenario: {
      operators: Array.from({ length: operators }, (_, n) => ({
        name: `op${n}`,
        hosts: [`op${n}`],
        joinsLate: false,
        behaviour: n < cast.attackers ? cast.behaviour : 'honest',
      })),
      trusted: cast.trusted,
      second: false,
      stores: undefined,
      revokes: undefined,
      charters: [],
      works,
      faultsMs: 1_000,
      grantSeconds: 24 * 3600,
    },
  });
  if (failure !== null) throw new Error(`seed ${seed}: ${failure.message}`);
  return works.flatMap(({ name }) => runs.get(name) ?? []);
}

/** The same run by draw and decision alone, under the seeds that the controller drew. */
export function predicted(
  { policy, rounds }: ProtocolRun,
  {
    operators,
    ...cast
  }: {
    operators: number;
    attackers: number;
    behaviour: 'honest' | 'tampers-alike' | 'tampers-alone';
    trusted: Trusted;
  },
): Pick<ProtocolRun, 'level' | 'tampered'> & { rounds: string[][] } {
  const names = Array.from({ length: operators }, (_, n) => `op${n}`);
  const delivered = new Set<number>();
  const asked: string[][] = [];
  const outcome = run(
    policy,
    {
      operators,
      behaviourOf: (operator) => (operator < cast.attackers ? cast.behaviour : 'honest'),
      lossPerLease: 0,
      trustedHours: cast.trusted === 'there' ? 0 : null,
    },
    (round) => {
      const order = lowestDraws(names, rounds[round - 1]?.seed ?? '', operators);
      const fresh = order.filter((operator) => !delivered.has(operator));
      const slots = fresh.slice(0, policy.of);
      for (const operator of slots) delivered.add(operator);
      asked.push(slots.map((operator) => names[operator] ?? ''));
      return order;
    },
    new Random('hours'),
  );
  return { level: outcome.level, tampered: outcome.tampered, rounds: asked };
}
