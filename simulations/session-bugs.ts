import type { Bug } from './bug.ts';
import { busy } from './busy.ts';
import { controllerSessionBugs } from './controller-session-bugs.ts';
import { calm } from './rates.ts';
import { apart, crashing, few, revoking, rotated, type SessionBug } from './session-scenarios.ts';
import { workerSessionBugs } from './worker-session-bugs.ts';

/** Mistakes in the text of the sessions, by name: one for each file that a simulation runs. */
export const sessionBugs: Record<string, SessionBug> = {
  'lost-line-answers': {
    says: 'an error of the connection is taken for an answer of the controller',
    file: 'protocol/sessions/ask.ts',
    from: "if (code.startsWith('MESH_') || code === 'CONTROLLER_ASKING') return true;",
    to: "if (code === 'CONTROLLER_ASKING') return true;",
    caughtBy: 'cosigning',
    rates: { breakPerMessage: 0.12, delayMsMax: 200 },
  },
  'bundles-refused': {
    says: 'a bundle that is sent is taken for none',
    file: 'protocol/sessions/bundle-exchange.ts',
    from: 'return answer.bundle;',
    to: 'return undefined;',
    caughtBy: 'counted',
    ...{ rates: calm, scenario: few },
  },
  'no-charter-found': {
    says: 'who is found at the address of a controller is not believed, whatever charter it shows',
    file: 'protocol/sessions/charter-search.ts',
    from: 'return answers.flatMap((answer) => answer ?? []);',
    to: 'return answers.flatMap(() => []);',
    caughtBy: 'rotations',
    ...{ rates: calm, scenario: rotated },
  },
  'ticket-key-unused': {
    says: 'who joins does not prove that it has the ticket itself',
    file: 'protocol/sessions/join.ts',
    from: '{ invite, holder });',
    to: '{ invite, holder: undefined });',
    caughtBy: 'liveness',
    ...{ rates: calm, scenario: apart },
  },
  'controllers-of-before': {
    says: 'a newer charter is kept, and the controllers of the one before are dialled',
    file: 'protocol/sessions/credentials.ts',
    from: 'const controllers = controllersUnder(this.#charter, this.#membership.controllers);',
    to: 'const { controllers } = this.#membership;',
    caughtBy: 'rotations',
    ...{ rates: calm, scenario: rotated },
  },
  'batch-unsynced': {
    says: 'a batch of events is written and not synced before its effects are carried out',
    file: 'protocol/sessions/loop.ts',
    from: 'if (mustSync) this.#journal.sync();',
    to: '',
    caughtBy: 'log',
    ...{ rates: { ...crashing, controllerCrashPerEvent: 0.1, powerCutPerCrash: 1 }, scenario: busy },
  },
  'any-clock-followed': {
    says: 'the time of a machine follows a wall clock that was set by minutes',
    file: 'protocol/sessions/machine-time.ts',
    from: 'if (Math.abs(difference) <= differenceMsMax) {\n      this.#disturbedAt = undefined;\n      const slew = passed * slewShare;',
    to: 'if (passed >= 0) {\n      this.#disturbedAt = undefined;\n      const slew = Number.POSITIVE_INFINITY;',
    caughtBy: 'clocks',
    rates: { clockPerMinute: 0.3 },
  },
  'messages-out-of-order': {
    says: 'a message does not wait for the one before it, which is still being signed',
    file: 'protocol/sessions/message-stream.ts',
    from: 'this.#sending = this.#sending.then(async () => {',
    to: 'this.#sending = Promise.resolve().then(async () => {',
    caughtBy: 'liveness',
  },
  'bundle-fetched-never': {
    says: 'who is no mirror of an artifact does not fetch its bundle',
    file: 'protocol/sessions/mirrors.ts',
    from: 'sessionLimits.mirrorLaterMs * (1 +',
    to: '1000 * sessionLimits.mirrorLaterMs * (1 +',
    caughtBy: 'counted',
    ...{ rates: calm, scenario: few },
  },
  'one-heartbeat': {
    says: 'what is to be done every few seconds is done once',
    file: 'protocol/sessions/timing.ts',
    from: 'next();\n      act();',
    to: 'act();',
    caughtBy: 'logs',
    ...{ rates: calm, scenario: few },
  },
  'revocations-forgotten': {
    says: 'a revocation that was opened is not kept',
    file: 'protocol/sessions/revocation-book.ts',
    from: 'this.#known.set(id, one);',
    to: '',
    caughtBy: 'cosigning',
    ...{ rates: calm, scenario: revoking },
  },
  'revocations-untold': {
    says: 'who asks for revocations is told none',
    file: 'protocol/sessions/revocation-exchange.ts',
    from: 'revocations: [...revocations],',
    to: 'revocations: [],',
    caughtBy: 'cosigning',
    ...{ rates: { ...calm, gossipLoss: 0.9 }, scenario: revoking },
  },
  'revocations-of-one-rank': {
    says: 'a page of revocations leaves out those of identity providers',
    file: 'protocol/sessions/revocation-pages.ts',
    from: '[0, 1, 2].flatMap(',
    to: '[0, 1].flatMap(',
    caughtBy: 'cosigning',
    ...{ rates: { ...calm, gossipLoss: 0.9 }, scenario: revoking },
  },
  'tail-of-one-piece': {
    says: 'who follows a log later is told its last piece',
    file: 'protocol/sessions/text-tail.ts',
    from: 'else this.#pieces.push(piece);',
    to: 'else this.#pieces = [piece];',
    caughtBy: 'logs',
    ...{ rates: calm, scenario: few },
  },
  ...controllerSessionBugs,
  ...workerSessionBugs,
};

export const plantedInSessions: Record<string, Bug> = Object.fromEntries(
  Object.entries(sessionBugs).map(([name, { file, from, to, ...bug }]) => [
    name,
    { ...bug, source: { file, from, to } },
  ]),
);
