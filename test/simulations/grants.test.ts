import { describe, expect, it } from 'vitest';
import { calm } from '../../simulations/rates.ts';
import type { Scenario } from '../../simulations/scenario.ts';
import { simulate } from '../../simulations/simulate.ts';
import type { Patches } from '../../simulations/world.ts';
import type { Credentials } from '../../src/protocol/sessions/credentials.ts';
import { expectClean } from './seeds.ts';

const minuteMs = 60_000;

/** Jobs for 20 minutes, while grants last 30 seconds: about forty lifetimes. */
const scenario: Partial<Scenario> = {
  attackerShare: 'nobody',
  trusted: 'there',
  grantSeconds: 30,
  charters: [],
  revokes: undefined,
  theft: undefined,
  faultsMs: 20 * minuteMs,
  operators: ['ada', 'bob', 'cy'].map((name) => ({
    name,
    hosts: [name],
    behaviour: 'honest',
    joinsLate: false,
  })),
  works: [0, 4, 9, 14, 19].map((minute) => ({
    name: `job${minute}`,
    nature: 'reproducible',
    policy: { agree: 2, of: 3, cosign: 'required', rounds: 1 },
    submitAfterMs: minute * minuteMs,
    cancelAfterMs: undefined,
    expiresSeconds: 2 * 3600,
  })),
};

/** Credentials that keep the grant they began with. */
const neverRenewed = (real: Credentials): Credentials =>
  new Proxy(real, {
    get(target, name) {
      if (name === 'renewAt') return Number.POSITIVE_INFINITY;
      if (name === 'renew') return async () => {};
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });

describe('grants that last half a minute, for 20 minutes', () => {
  it('are renewed within a connection that never breaks: every job is built and co-signed', async () => {
    const levels = await expectClean([1], { scenario, rates: calm });
    expect(levels.filter((level) => level === 'trusted')).toHaveLength(5);
  });

  it('are renewed through crashes, partitions and streams that break', async () => {
    await expectClean([3, 4], { scenario });
  });

  it('end the work of a worker that does not renew them', async () => {
    const patches = (): Patches => ({
      workerPorts: (ports) => ({ ...ports, credentials: neverRenewed(ports.credentials) }),
    });
    const { levels } = await simulate(1, { scenario, rates: calm, patches });
    expect(levels).toEqual(['trusted']);
  });
});
