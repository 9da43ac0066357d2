import type { Bug } from './bug.ts';
import { busy } from './busy.ts';
import { calm, type Rates } from './rates.ts';
import type { Scenario, Work } from './scenario.ts';

export const broken: Partial<Rates> = { ...calm, breakPerMessage: 0.06, noticeMsMax: 2_000 };
export const crashing: Partial<Rates> = { ...calm, crashPerMinute: 0.6 };
/** Little to do, so that a run which never ends is over soon. */
export const few: Partial<Scenario> = {
  ...busy,
  works: (busy.works ?? []).slice(0, 2).map((work) => ({ ...work, expiresSeconds: 1800 })),
};
/** A trusted worker that comes once the others have built. */
export const late: Partial<Scenario> = { ...few, trusted: 'late' };
export const uncosigned: Partial<Scenario> = {
  ...few,
  works: (few.works ?? []).map((work) => ({ ...work, policy: { ...work.policy, cosign: 'none' } })),
};
/** Jobs of when the first grants have ended, where these last for 90 s. */
export const later: Partial<Scenario> = {
  ...few,
  works: (few.works ?? []).map((work) => ({ ...work, submitAfterMs: 300_000 })),
};
export const apart: Partial<Scenario> = { ...later, idp: 'apart', grantSeconds: 90 };
export const rotated: Partial<Scenario> = {
  ...busy,
  charters: [{ afterMs: 60_000, replaces: 'controller' }],
};
export const revoking: Partial<Scenario> = {
  ...busy,
  revokes: { operator: 'ada', afterMs: 60_000, ever: true },
};
/** A job, and others that read what it makes. */
const chain = [{ name: 'lib' }, { name: 'app', needs: { lib: 'agreed' as const } }].map(
  (work): Work => ({
    nature: 'reproducible',
    submitAfterMs: 1_000,
    cancelAfterMs: undefined,
    expiresSeconds: 7200,
    policy: { agree: 2, of: 2, cosign: 'required', rounds: 4 },
    ...work,
  }),
);
export const pipeline: Partial<Scenario> = { ...busy, works: chain };
export const again: Partial<Scenario> = {
  ...few,
  works: (few.works ?? []).flatMap((work) => [
    { ...work, portable: true },
    { ...work, name: `${work.name}-0`, repeats: work.name, portable: true, submitAfterMs: 400_000 },
  ]),
};
export const recalled: Partial<Scenario> = {
  ...pipeline,
  revokes: { operator: 'ada', afterMs: 200_000, ever: true },
};
export const twoStories: Pick<Bug, 'patches' | 'rates' | 'scenario'> = {
  patches: () => ({ forks: 1 }),
  rates: { workerCrashPerEvent: 0.05, crashPerMinute: 0.5 },
  scenario: { trusted: 'there', second: false },
};
