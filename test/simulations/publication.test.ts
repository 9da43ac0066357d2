import { describe, expect, it } from 'vitest';
import { calm } from '../../simulations/rates.ts';
import { simulate } from '../../simulations/simulate.ts';
import type { Patches } from '../../simulations/world.ts';
import type { Policy } from '../../src/protocol/documents/index.ts';
import { protocols } from '../../src/protocol/wire/protocols.ts';

/** That a seed goes the same way twice, other tests prove (faults.test.ts). */
const once = true as const;
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
  /** When each worker stored its first bundle, in ms. */
  let storedAt: Map<string, number> = new Map();
  const patches = (): Patches => {
    asked = 0;
    stored = [];
    storedAt = new Map();
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
            const { id } = ports.signing.signer;
            stored.push(`${id} ${bundle}`);
            if (!storedAt.has(id)) storedAt.set(id, ports.clock.monotonic());
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
  const { failure } = await simulate(2, { rates: calm, scenario, patches, once });
  expect(failure).toBeNull();
  return { asked, stored, times: [...storedAt.values()].sort((a, b) => a - b) };
}

describe('the bundle of a served artifact', () => {
  const withoutCosign = published('none');

  it('is asked for until it cannot get better', async () => {
    const { asked, stored } = await withoutCosign;
    expect(stored).toHaveLength(operators.length);
    // It is there once the artifact is pinned, which takes up to a minute, and the log witnessed.
    expect(asked).toBeLessThanOrEqual(5 * operators.length);
  });

  it('is fetched by two mirrors at once, and by the others a minute or two later', async () => {
    const { times } = await withoutCosign;
    const [first = 0, second = 0, third = 0] = times;
    expect(second - first).toBeLessThan(30_000);
    expect(third - second).toBeGreaterThan(30_000);
    expect(third - second).toBeLessThan(3 * 60_000);
  });

  it('is stored once, however often it is asked for', async () => {
    const { asked, stored } = await published('required');
    expect(asked).toBeGreaterThan(10 * operators.length);
    expect(stored).toHaveLength(new Set(stored).size);
  });
});
