import type { Operator, Scenario } from './scenario.ts';

/** Some job is being built at any time. */
export const busy: Partial<Scenario> & Pick<Scenario, 'operators'> = {
  operators: ['ada', 'ben', 'cleo', 'dan'].map((name) => ({
    name,
    hosts: [name],
    joinsLate: false,
    behaviour: 'honest',
  })),
  works: Array.from({ length: 10 }, (_, n) => ({
    name: `job${n}`,
    nature: 'reproducible',
    submitAfterMs: 15_000 * (n + 1),
    expiresSeconds: 7200,
    cancelAfterMs: undefined,
    policy: { agree: 2, of: 3, cosign: 'required', rounds: 3 },
  })),
  trusted: 'there',
  second: false,
  revokes: undefined,
  charters: [],
  grantSeconds: 24 * 3600,
  faultsMs: 240_000,
};

/** The same with every operator changed. */
export const busyWith = (change: Partial<Operator>): Partial<Scenario> => ({
  ...busy,
  operators: busy.operators.map((operator) => ({ ...operator, ...change })),
});
