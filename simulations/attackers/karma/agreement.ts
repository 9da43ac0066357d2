import type { Policy } from '../../../src/protocol/documents/index.ts';
import { nameOf } from '../policies.ts';
import { type Cast, run } from '../run.ts';
import type { Scheme } from './scheme.ts';

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
