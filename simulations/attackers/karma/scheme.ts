import type { Policy } from '../../../src/protocol/documents/index.ts';
import type { Random } from '../../random.ts';
import { nameOf } from '../policies.ts';
import { type Cast, run } from '../run.ts';

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
const hostsPerJobMax = 8;

/** A policy of Quorate as it would serve the same hosts: nothing is kept about any of them. */
export function agreement(policy: Policy): Scheme {
  return {
    name: nameOf(policy),
    fresh: (hosts) => ({
      replace: () => {},
      run: ({ next, build }, random) => {
        const results = new Map<number, string>();
        const cast: Cast = {
          operators: hosts,
          behaviourOf: (host) => {
            const result = results.get(host) ?? build(host);
            results.set(host, result);
            return result === 'honest' ? 'honest' : result === 'tampered' ? 'tampers-alike' : 'tampers-alone';
          },
          lossPerLease: 0,
          trustedHours: 2,
        };
        const asked = Array.from({ length: policy.of * policy.rounds }, next).flatMap((host) => host ?? []);
        const { level, tampered, builds } = run(policy, cast, () => asked, random);
        const result = level !== 'trusted' ? null : tampered ? 'tampered' : 'honest';
        return { result, builds };
      },
    }),
  };
}

/** CONS_VALID_UNREPLICATED in BOINC's `sched/sched_config.h`. */
const validForTrust = 10;
const quorum = 2;

/**
 * BOINC's adaptive replication, from its source (commit c5c6cb79): `set_trust` in `sched/sched_send.cpp`, `is_valid` and `is_invalid`
 * in `sched/validator.cpp`, and the page "AdaptiveReplication" of its wiki. CV: results in a row that another host confirmed. A host
 * with CV >= 10 is believed alone with probability 1 - 1/CV, else two must agree; a wrong result sets CV = 0.
 */
export const boinc: Scheme = {
  name: 'BOINC adaptive replication',
  fresh: (hosts) => {
    const valid = new Uint32Array(hosts);
    const count = (host: number) => valid[host] ?? 0;
    return {
      replace: (host) => void valid.fill(0, host, host + 1),
      run: ({ next, build }, random, learns) => {
        const first = next();
        if (first === undefined) return { result: null, builds: 0 };
        if (count(first) >= validForTrust && !random.chance(1 / count(first)))
          return { result: build(first), builds: 1 };
        const results = new Map<string, number[]>();
        let builds = 0;
        for (
          let host: number | undefined = first;
          host !== undefined && builds < hostsPerJobMax;
          host = next()
        ) {
          const result = build(host);
          builds++;
          const same = [...(results.get(result) ?? []), host];
          results.set(result, same);
          if (same.length < quorum) continue;
          for (const [other, by] of learns ? results : [])
            for (const one of by) valid[one] = other === result ? count(one) + 1 : 0;
          return { result, builds };
        }
        return { result: null, builds };
      },
    };
  },
};

const goodAfter = 20;
const votersFirst = 3;

/**
 * A host whose last 20 results were all accepted has two votes, others one. Three hosts vote, then one more at a time, until a result
 * has more than half of the votes.
 */
export const doubleVote: Scheme = {
  name: 'double vote for good hosts',
  fresh: (hosts) => {
    const row = new Uint32Array(hosts);
    return {
      replace: (host) => void row.fill(0, host, host + 1),
      run: ({ next, build }, _random, learns) => {
        const votes = new Map<string, { weight: number; by: number[] }>();
        let builds = 0;
        let total = 0;
        for (let host = next(); host !== undefined && builds < hostsPerJobMax; host = next()) {
          const weight = (row[host] ?? 0) >= goodAfter ? 2 : 1;
          const result = build(host);
          builds++;
          total += weight;
          const before = votes.get(result) ?? { weight: 0, by: [] };
          votes.set(result, { weight: before.weight + weight, by: [...before.by, host] });
          if (builds < votersFirst) continue;
          const [winner] = [...votes].filter(([, { weight }]) => 2 * weight > total);
          if (winner === undefined) continue;
          for (const [other, { by }] of learns ? votes : [])
            for (const one of by) row[one] = other === winner[0] ? (row[one] ?? 0) + 1 : 0;
          return { result: winner[0], builds };
        }
        return { result: null, builds };
      },
    };
  },
};

/** Share of saboteurs that the owner assumes, of jobs that are spot-checks, and of errors that are accepted. */
const assumed = 0.2;
const checked = 0.1;
const accepted = 0.01;

/** Credibility of a host that passed `k` spot-checks, where those that fail one are excluded. */
export const credibilityOf = (k: number): number =>
  k === 0 ? 1 - assumed : 1 - assumed / (1 - assumed) / (k * Math.E);

/** Credibility of each group of equal results: the chance that it is right, given that at most one group is. */
export function groupCredibility(groups: readonly (readonly number[])[]): number[] {
  const product = (values: readonly number[]) => values.reduce((all, one) => all * one, 1);
  const good = groups.map(product);
  const bad = groups.map((group) => product(group.map((one) => 1 - one)));
  const only = good.map((one, at) => one * product(bad.filter((_, other) => other !== at)));
  const all = product(bad) + only.reduce((sum, one) => sum + one, 0);
  return only.map((one) => one / all);
}

/**
 * L. F. G. Sarmenta, Sabotage-tolerance mechanisms for volunteer computing systems, Future Generation Computer Systems 18 (2002). Only
 * its abstract could be read here; the formulas are written down from memory. A host that passed k spot-checks is right with
 * Cr = 1 - f/(1-f)/(k e), or 1 - f for k = 0, where f is 20 %. One job in ten is a spot-check, and who fails one is excluded. A result
 * counts once its group has Cr >= 99 %.
 */
export const sarmenta: Scheme = {
  name: 'credibility (Sarmenta)',
  fresh: (hosts) => {
    const passed = new Uint32Array(hosts);
    const excluded = new Uint8Array(hosts);
    return {
      replace: (host) => {
        passed[host] = 0;
        excluded[host] = 0;
      },
      run: ({ next, build }, random, learns) => {
        const groups = new Map<string, number[]>();
        let builds = 0;
        for (let tried = 0, host = next(); host !== undefined && tried < hostsPerJobMax; host = next()) {
          if (excluded[host] === 1) continue;
          if (learns && random.chance(checked)) {
            // The trusted worker built it, too: two builds that make no artifact.
            builds += 2;
            if (build(host) === 'honest') passed[host] = (passed[host] ?? 0) + 1;
            else excluded[host] = 1;
          }
          if (excluded[host] === 1) continue;
          tried++;
          builds++;
          const result = build(host);
          groups.set(result, [...(groups.get(result) ?? []), credibilityOf(passed[host] ?? 0)]);
          const credible = groupCredibility([...groups.values()]).findIndex((one) => one >= 1 - accepted);
          if (credible >= 0) return { result: [...groups.keys()][credible] ?? null, builds };
        }
        return { result: null, builds };
      },
    };
  },
};
