import { describe, expect, it } from 'vitest';
import { calm } from '../../simulations/rates.ts';
import { simulate } from '../../simulations/simulate.ts';
import type { Patches } from '../../simulations/world.ts';
import type { Policy } from '../../src/core/documents/index.ts';
import { protocols } from '../../src/core/wire/protocols.ts';

const operators = ['ada', 'bob', 'cy'].map((name) => ({
  name,
  hosts: [name],
  behaviour: 'honest' as const,
  joinsLate: false,
}));

/** One reproducible job, built by three honest workers without faults and without a trusted worker. */
async function published(cosign: Policy['cosign']) {
  let asked = 0;
  let stored: string[] = [];
  const patches = (): Patches => {
    asked = 0;
    stored = [];
    return {
      workerPorts: (ports) => ({
        ...ports,
        dial: (peer, protocol, options) => {
          if (protocol === protocols.bundle) asked++;
          return ports.dial(peer, protocol, options);
        },
        bundles: {
          ...ports.bundles,
          put: (keys, bundle) => {
            stored.push(`${ports.signing.signer.id} ${bundle}`);
            return ports.bundles.put(keys, bundle);
          },
        },
      }),
    };
  };
  const work = {
    name: 'job0',
    nature: 'reproducible' as const,
    policy: { agree: 2, of: 3, cosign, rounds: 1 },
    submitAfterMs: 0,
    cancelAfterMs: undefined,
    expiresSeconds: 1_800,
  };
  const scenario = { operators, trusted: 'absent' as const, works: [work], faultsMs: 150_000 };
  const { failure } = await simulate(1, { rates: calm, scenario, patches });
  expect(failure).toBeNull();
  return { asked, stored };
}

describe('the bundle of a served artifact', () => {
  it('is asked for until it cannot get better', async () => {
    const { asked, stored } = await published('none');
    expect(stored).toHaveLength(operators.length);
    // It is there once the artifact is pinned, which takes up to a minute, and the log witnessed.
    expect(asked).toBeLessThanOrEqual(5 * operators.length);
  });

  it('is stored once, however often it is asked for', async () => {
    const { asked, stored } = await published('required');
    expect(asked).toBeGreaterThan(10 * operators.length);
    expect(stored).toHaveLength(new Set(stored).size);
  });
});
