import type { ControllerEffect } from '../src/controller/machine/events.ts';
import { Controller } from '../src/controller/machine/machine.ts';
import { type ControllerState, publishedOf, type Run, Transition } from '../src/controller/machine/state.ts';
import { conclude, finishedOf } from '../src/controller/machine/verdicts/verdict.ts';
import type { Handled } from '../src/protocol/base/durability.ts';
import type { Policy, Request } from '../src/protocol/documents/index.ts';
import type { WorkerEffect, WorkerEvent } from '../src/worker/machine/events.ts';
import { Worker } from '../src/worker/machine/machine.ts';
import type { WorkerPorts } from '../src/worker/sessions/ports.ts';
import { Broken, breaking } from './broken-controller.ts';
import { calm } from './rates.ts';
import type { Scenario, Work } from './scenario.ts';
import type { Patches } from './world.ts';

const common = {
  nature: 'reproducible',
  portable: true,
  cancelAfterMs: undefined,
  expiresSeconds: 7200,
} as const;
const lax: Policy = { agree: 2, of: 3, cosign: 'none', rounds: 2 };
const policy: Policy = { ...lax, cosign: 'required' };
/** A job without a co-signature, requested again with one. */
const laxThenStrict: Work[] = [
  { ...common, name: 'lib', submitAfterMs: 1_000, policy: lax },
  { ...common, name: 'lib-0', repeats: 'lib', submitAfterMs: 900_000, policy },
];

function policyBefore({ index }: ControllerState, { job, policy }: Request): Policy {
  const before = index.builtOf(job).find((run) => publishedOf(run)?.verdict.level === 'trusted');
  return before?.request.payload.policy ?? policy;
}

/** A planted bug: what the policy of a later request asks for is forgotten. */
const answeredUnderEarlierPolicy = {
  says: 'a job that was built before is answered at the level that it had under the policy of the earlier request',
  caughtBy: 'answers',
  scenario: { trusted: 'there' as const, works: laxThenStrict },
  patches: breaking((controller, handle) => (event, now) => {
    if (event.kind !== 'submit') return handle(event, now);
    const { request } = event;
    const policy = policyBefore(controller.state, request.payload);
    const payload = { ...request.payload, policy };
    return handle({ ...event, request: { ...request, payload } }, now);
  }),
};

/** A job that is asked for twice. */
const works: Work[] = [
  { ...common, policy, name: 'lib', submitAfterMs: 1_000 },
  { ...common, policy, name: 'lib-0', repeats: 'lib', submitAfterMs: 600_000 },
];
const scenario: Partial<Scenario> = {
  trusted: 'there',
  second: false,
  works,
  charters: [],
  revokes: undefined,
};

/** Drafts another answer to a request that has its verdict, from this run: with a later place in the log. */
function answerAfterwards(
  state: ControllerState,
  run: Run,
  now: number,
  from: Run['reused'],
): ControllerEffect[] {
  const { phase } = run;
  if (phase.kind !== 'done') return [];
  const transition = new Transition(state, now, Controller.rules);
  run.reused = from;
  run.receipts = [];
  run.rounds = [];
  state.index.reopened(run);
  conclude(transition, run, 'trusted', phase.published.verdict);
  return transition.out;
}

/** A controller that, once, answers a request again whose verdict was just stored: those that were answered, or those that were built. */
const answersAgain = (which: 'answered' | 'built') => (id: string, idp: string) =>
  new Broken(id, idp, (controller, handle) => {
    const done = new Set<string>();
    return (event, now) => {
      const { state } = controller;
      const run = event.kind === 'stored' ? state.runs.get(event.run) : undefined;
      const isOne = run?.phase.kind === 'done' && run.phase.published.endorsement.kind === 'cosigned';
      if (run === undefined || !isOne || (run.reused === null) !== (which === 'built') || done.has(run.id))
        return handle(event, now);
      done.add(run.id);
      const self = finishedOf(run);
      const from = which === 'built' ? (self === undefined ? null : { ...self, history: [] }) : run.reused;
      // The bundle that is stored is that of the verdict before.
      return answerAfterwards(state, run, now, from);
    };
  });

/** Takes each answer for the first one of its request. */
class Oblivious extends Worker {
  #asked = 0;

  override handle(event: WorkerEvent, now: number): Handled<WorkerEffect> {
    if (event.kind !== 'answer-checked') return super.handle(event, now);
    return super.handle({ ...event, request: `${++this.#asked}` }, now);
  }
}

/** Signs whatever it is shown. */
const credulous = (ports: WorkerPorts): WorkerPorts => ({
  ...ports,
  dispatch: (event) => ports.dispatch(event.kind === 'answer-checked' ? { ...event, ok: true } : event),
});

/** Answers to a request by a stolen controller's key, each with the mistake of a trusted worker that lets them pass. */
export const answerBugs = {
  'answered-under-earlier-policy': answeredUnderEarlierPolicy,
  'answer-signed-twice': {
    says: 'a trusted worker forgets for which requests it signed an answer, and the controller has one answered again at the end of the log',
    caughtBy: 'answers',
    scenario,
    rates: calm,
    patches: (): Patches => ({
      controller: answersAgain('answered'),
      worker: (id, name) => (name === 'trusted' ? new Oblivious(id) : new Worker(id)),
    }),
  },
  'answer-signed-unread': {
    says: 'a trusted worker signs answers whatever they rest on, and the controller has a request rest on its own first verdict',
    caughtBy: 'answers',
    scenario,
    rates: calm,
    patches: (): Patches => ({ controller: answersAgain('built'), workerPorts: credulous }),
  },
};

/** The same controllers, for tests with an honest trusted worker, which must refuse to sign. */
export const answerAttacks = {
  'a second answer to a request': answersAgain('answered'),
  'a verdict that rests on its own request': answersAgain('built'),
};
export const answerScenario = scenario;
