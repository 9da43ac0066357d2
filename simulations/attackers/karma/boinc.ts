import { hostsPerJobMax, type Scheme } from './scheme.ts';

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
