import { hostsPerJobMax, type Scheme } from './scheme.ts';

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
