import type { ControllerEffect } from '../src/controller/machine/events.ts';
import { breaking } from './broken-controller.ts';
import { calm } from './rates.ts';
import { few } from './session-scenarios.ts';

const refused = (token: string): ControllerEffect[] => [
  { kind: 'reply', token, reply: { kind: 'error', code: 'JOB_UNKNOWN', message: 'no' } },
];

/** A controller that refuses what it has to take. */
export const refusalBugs = {
  'jobs-refused': {
    says: 'a job is refused, whoever asks for it and however often',
    caughtBy: 'liveness',
    rates: calm,
    scenario: few,
    patches: breaking(
      (_, handle) => (event, now) => (event.kind === 'submit' ? refused(event.token) : handle(event, now)),
    ),
  },
  'revocations-refused': {
    says: 'a revocation of the owner is refused',
    caughtBy: 'liveness',
    rates: calm,
    scenario: { ...few, revokes: { operator: 'ada', afterMs: 60_000, ever: true } },
    patches: breaking(
      (_, handle) => (event, now) => (event.kind === 'revoke' ? refused(event.token) : handle(event, now)),
    ),
  },
  'late-comers-refused': {
    says: 'nobody joins any more once a job was asked for',
    caughtBy: 'rotations',
    rates: calm,
    scenario: {
      ...few,
      operators: (few.operators ?? []).map((operator, n) => ({ ...operator, joinsLate: n === 3 })),
    },
    patches: breaking(({ state }, handle) => (event, now) => {
      const isLate = event.kind === 'enrol' && state.index.size > 0;
      return isLate ? refused(event.token) : handle(event, now);
    }),
  },
};
