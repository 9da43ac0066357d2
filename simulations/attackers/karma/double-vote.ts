import { hostsPerJobMax, type Scheme } from './scheme.ts';

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
