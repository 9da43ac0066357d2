import type { ControllerEffect } from '../src/controller/machine/events.ts';
import { Controller } from '../src/controller/machine/machine.ts';
import { Presence } from '../src/controller/machine/presence.ts';
import { type LiveLease, type LoggedRevocation, Transition } from '../src/controller/machine/state.ts';
import { concludeRefused } from '../src/controller/machine/verdicts/verdict.ts';
import { reportedError } from '../src/protocol/base/errors.ts';
import { idOf } from '../src/protocol/documents/index.ts';
import { MerkleTree } from '../src/protocol/transparency/index.ts';
import { protocols } from '../src/protocol/wire/protocols.ts';
import { Worker } from '../src/worker/machine/machine.ts';
import { answerBugs } from './answer-bugs.ts';
import { Broken, breaking, breakingAfter, runOf } from './broken-controller.ts';
import { idpBugs } from './broken-idp.ts';
import { breakingPorts, Copier, Forgetful, Greedy, withMembers } from './broken-workers.ts';
import type { Bug } from './bug.ts';
import { busy } from './busy.ts';
import { endingBugs } from './ending-bugs.ts';
import { drainBugs, hostBugs, leaseBugs, limitBugs } from './lease-bugs.ts';
import { pipelineBugs } from './pipeline-bugs.ts';
import { calm } from './rates.ts';
import { refusalBugs } from './refusal-bugs.ts';
import { journalBugs, restoreBugs } from './restore-bugs.ts';
import { sessionBugs } from './session-bugs.ts';
import { stolenKeyBugs } from './stolen-key-bugs.ts';
import { storeBugs, witnessBugs } from './witness-bugs.ts';

export const bugs: Record<string, Bug> = {
  'vote-counted-twice': {
    says: 'each machine of an invite becomes an operator of its own',
    caughtBy: 'votes',
    patches: breaking((controller, handle) => (event, now) => {
      if (event.kind !== 'enrol') return handle(event, now);
      const { invite } = event;
      const joined = controller.state.invites.get(invite.payload.jti) ?? [];
      if (joined.length === 0 || joined.includes(event.enrol.signer)) return handle(event, now);
      const payload = { ...invite.payload, operator: `${invite.payload.operator}-${joined.length}` };
      return handle({ ...event, invite: { ...invite, payload } }, now);
    }),
  },
  ...journalBugs,
  ...restoreBugs,
  'fence-ignored': {
    says: 'a lease that was lost stands again: its receipt is taken',
    caughtBy: 'fences',
    patches: breaking((controller, handle) => {
      const given = new Map<string, LiveLease>();
      return (event, now) => {
        const { state } = controller;
        const effects = handle(event, now);
        for (const effect of effects) {
          const live = effect.kind === 'release' ? given.get(effect.lease) : undefined;
          const run = live === undefined ? undefined : runOf(controller, live.lease.offer);
          const round = run?.rounds.at(-1);
          if (live === undefined || run === undefined || round?.offerId !== live.lease.offer) continue;
          // One whose time is up would be lost again at once, for ever.
          if (now >= live.lease.exp * 1000) continue;
          if (live.lease.slot === 'trusted' || round.slots[live.lease.slot]?.kind !== 'free') continue;
          round.slots[live.lease.slot] = { kind: 'leased', live };
          state.presence.heard.set(live.id, { at: now, detachedAt: null });
          state.leases.set(live.id, run.id);
        }
        for (const run of state.runs.values()) {
          for (const slot of run.rounds.flatMap(({ slots }) => slots))
            if (slot.kind === 'leased') given.set(slot.live.id, slot.live);
        }
        return effects;
      };
    }),
  },
  'reveal-early': {
    says: 'a worker is told that its round is revealed as soon as it has delivered',
    caughtBy: 'sealed',
    patches: breaking((_, handle) => (event, now) => {
      const effects = handle(event, now);
      return effects.flatMap((effect): ControllerEffect[] => {
        if (effect.kind !== 'reply' || effect.reply.kind !== 'ack') return [effect];
        return [effect, { kind: 'reveal', worker: effect.reply.ack.aud, lease: effect.reply.ack.lease }];
      });
    }),
  },
  'slot-freed-silently': {
    says: 'a slot whose stream broke is leased again without the first lease being taken back',
    caughtBy: 'leases',
    patches: breaking((controller, handle) => (event, now) => {
      if (event.kind === 'detached') {
        for (const round of [...controller.state.runs.values()].flatMap(({ rounds }) => rounds)) {
          round.slots = round.slots.map((slot) =>
            slot.kind === 'leased' && slot.live.id === event.lease ? { kind: 'free' } : slot,
          );
        }
      }
      return handle(event, now);
    }),
  },
  'receipt-dropped': {
    says: 'a receipt that dissents is acknowledged and left out of the verdict',
    caughtBy: 'evidence',
    patches: breakingAfter((controller) => {
      for (const run of controller.state.runs.values()) {
        const [first] = run.receipts;
        run.receipts = run.receipts.filter(
          (one) => first === undefined || idOf(one.outcome) === idOf(first.outcome),
        );
      }
    }),
  },
  'log-rewritten': {
    says: 'the last leaves of the log are taken out again',
    caughtBy: 'log',
    patches: breakingAfter(({ state }, event) => {
      if (event.kind === 'enrol' && state.log.size === 4)
        state.log = new MerkleTree(state.log.leaves().slice(0, -2));
    }),
  },
  'policy-weakened': {
    says: 'the co-signature a request asks for is forgotten once its round is open',
    caughtBy: 'attackers',
    patches: breakingAfter((controller, event) => {
      if (event.kind !== 'submit') return;
      const run = controller.state.runs.get(event.request.id);
      if (run === undefined) return;
      const { request } = run;
      const policy = { ...request.payload.policy, cosign: 'none' as const };
      run.request = { ...request, payload: { ...request.payload, policy } };
    }),
  },
  'unwitnessed-is-trusted': {
    says: 'a verdict without a co-signature is published before enough workers have witnessed the log',
    caughtBy: 'evidence',
    patches: breakingAfter(({ state }, _, effects) => {
      for (const run of [...state.index.open.values()]) {
        if (run.phase.kind !== 'witnessing') continue;
        const endorsement = { kind: 'none' } as const;
        run.phase = { kind: 'done', published: { verdict: run.phase.draft, endorsement, ending: null } };
        state.index.ended(run);
        state.unstored.add(run.id);
        effects.push({ kind: 'verdict', run: run.id });
      }
    }),
  },
  'verdict-changed': {
    says: 'a run that was trusted is disputed later',
    caughtBy: 'verdicts',
    patches: breaking((controller, handle) => (event, now) => {
      const run = event.kind === 'stored' ? controller.state.runs.get(event.run) : undefined;
      if (run?.phase.kind !== 'done' || run.phase.published.endorsement.kind !== 'cosigned')
        return handle(event, now);
      const transition = new Transition(controller.state, now, Controller.rules);
      concludeRefused(transition, run);
      return [...transition.out, ...handle(event, now)];
    }),
  },
  'unsigned-is-disputed': {
    says: 'a run whose trusted worker is gone before it signs ends as disputed',
    caughtBy: 'agreement',
    patches: breaking((controller, handle) => (event, now) => {
      for (const run of controller.state.runs.values()) {
        const over = run.phase.kind === 'cosigning' && now >= run.request.payload.exp * 1000;
        if (over) run.phase = { kind: 'awaiting-trusted' };
      }
      return handle(event, now);
    }),
  },
  'failed-test-asked-again': {
    says: 'failures of a test never agree, so that fresh operators are asked until some pass it',
    caughtBy: 'tests',
    patches: breaking((controller, handle) => (event, now) => {
      for (const run of controller.state.runs.values())
        run.receipts = run.receipts.map((one) =>
          one.outcome.kind === 'exit' && one.outcome.code !== 0 ? { ...one, result: one.receipt } : one,
        );
      return handle(event, now);
    }),
  },
  'revoked-goes-on': {
    says: 'a revocation is logged and told, and nothing else comes of it',
    caughtBy: 'revoked',
    patches: breaking((controller, handle) => {
      const hidden: LoggedRevocation[] = [];
      return (event, now) => {
        const { state } = controller;
        const { runs, finished, presence } = state;
        state.revocations = [];
        if (event.kind === 'revoke')
          Object.assign(state, { runs: new Map(), finished: new Map(), presence: new Presence(0) });
        const effects = handle(event, now);
        Object.assign(state, { runs, finished, presence });
        hidden.push(...state.revocations);
        state.revocations = [...hidden];
        return effects;
      };
    }),
  },
  'receipts-dropped-early': {
    says: 'the receipts of a finished run leave memory before its bundle is stored',
    caughtBy: 'finished',
    patches: breaking((controller, handle) => (event, now) => {
      const effects = handle(event, now);
      for (const { id, phase } of [...controller.state.runs.values()])
        if (phase.kind === 'done')
          handle({ kind: 'stored', run: id, verdict: phase.published.verdict.id }, now);
      return effects;
    }),
  },
  'lost-bundles-believed': {
    says: 'a start lets the receipts of a run go whose bundle is not there any more',
    caughtBy: 'finished',
    rates: { crashPerMinute: 0.6, bundleLossPerCrash: 0.5 },
    patches: () => ({ bundlesBelieved: true }),
  },
  'state-outside-journal': {
    says: 'the state of the controller changes without an event',
    caughtBy: 'replay',
    patches: () => {
      let lives = 0;
      return {
        controller: (id, idp) => {
          const mine = ++lives;
          return new Broken(id, idp, (controller, handle) => (event, now) => {
            controller.state.leasesThisEpoch += mine - 1;
            return handle(event, now);
          });
        },
      };
    },
  },
  'no-timers': {
    says: 'the controller never asks to be woken',
    caughtBy: 'liveness',
    patches: () => ({
      controller: (id, idp) => Object.assign(new Controller(id, idp), { nextDeadline: () => undefined }),
    }),
  },
  'builds-all-at-once': {
    says: 'a worker builds all jobs that it has leases for, also more than its operator allows at once',
    caughtBy: 'lending',
    patches: () => ({ worker: (id) => new Greedy(id) }),
  },
  'trusted-worker-copies': {
    says: 'the trusted worker states the result that it expects of the others, without building',
    caughtBy: 'cosigning',
    patches: () => ({ worker: (id, name) => (name === 'trusted' ? new Copier(id) : new Worker(id)) }),
  },
  'lease-ends-at-reveal': {
    says: 'a worker gives its lease up when the round is revealed, before its result is published',
    caughtBy: 'served',
    rates: { breakPerMessage: 0, crashPerMinute: 0.6 },
    patches: () => ({ worker: (id) => new Forgetful(id) }),
  },
  'offers-before-started': {
    says: 'a worker that starts again takes offers before its start is in the journal, and drops the lease in silence',
    caughtBy: 'known leases',
    rates: { ...calm, crashPerMinute: 1, stallMsMax: 1_000 },
    scenario: busy,
    patches: breakingPorts((ports) => ({
      machine: withMembers(ports.machine, {
        leaseOf: (lease) => ports.machine.leaseOf(lease) ?? unknownLease,
      }),
      dispatch(event) {
        if (event.kind !== 'started') return ports.dispatch(event);
        ports.clock.after(startsLateMs, () => void ports.dispatch(event));
        return Promise.resolve();
      },
    })),
  },
  'offers-under-old-charter': {
    says: 'a worker judges an offer by the charter it knows, although the offer was made under a newer one',
    caughtBy: 'charters',
    patches: breakingPorts(({ credentials }) => ({
      credentials: withMembers(credentials, {
        get charter() {
          return { ...credentials.charter, epoch: Number.MAX_SAFE_INTEGER };
        },
        catchUp: async () => {},
      }),
    })),
  },
  'controller-never-looked-for': {
    says: 'a worker dials the controller that it knows, and asks nobody whether there is another one',
    caughtBy: 'rotations',
    patches: breakingPorts(({ credentials }) => ({
      credentials: withMembers(credentials, { searchControllers: async () => false }),
    })),
  },
  'reveal-before-ack': {
    says: 'a reveal that comes before the ack ends the stream, and nobody opens another one for the result',
    caughtBy: 'liveness',
    rates: { ...calm, breakPerMessage: 0.15, delayMsMax: 5_000, stallMsMax: 15_000, noticeMsMax: 60_000 },
    scenario: busy,
    patches: breakingPorts(({ machine }) => ({ machine: withMembers(machine, { isOpen: () => false }) })),
  },
  'broken-line-refuses': {
    says: 'a trusted worker takes a connection that breaks while it reads the log for an answer, and refuses to sign',
    caughtBy: 'cosigning',
    rates: { breakPerMessage: 0.12, delayMsMax: 200 },
    patches: breakingPorts((ports) => ({
      dial: async (peer, protocol, options) => {
        const channel = await ports.dial(peer, protocol, options);
        if (protocol !== protocols.api) return channel;
        const receive: typeof channel.receive = (limit) => channel.receive(limit).catch(answerOfLine);
        return Object.create(channel, {
          closed: { get: () => channel.closed },
          peer: { value: channel.peer },
          send: { value: (message: Uint8Array) => channel.send(message) },
          receive: { value: receive },
          close: { value: () => channel.close() },
        });
      },
    })),
  },
  ...answerBugs,
  ...witnessBugs,
  ...pipelineBugs,
  ...idpBugs,
  ...storeBugs,
  ...drainBugs,
  ...leaseBugs,
  ...limitBugs,
  ...hostBugs,
  ...endingBugs,
  ...refusalBugs,
  ...stolenKeyBugs,
  ...sessionBugs,
  'wrong-clock-journaled': {
    says: 'timers are set with the wall clock, so that events are journaled under a wrong time',
    caughtBy: 'clocks',
    patches: () => ({ wallClock: 'timers' }),
    rates: { clockPerMinute: 0.3 },
  },
  'wrong-clock-refuses': {
    says: 'the controller checks documents by its wall clock, which may be set meanwhile',
    caughtBy: 'clocks',
    patches: () => ({ wallClock: 'sessions' }),
    rates: { clockPerMinute: 0.3 },
  },
  'order-by-chance': {
    says: 'the order of effects depends on something outside the machine',
    caughtBy: 'determinism',
    patches: breaking((_, handle) => (event, now) => {
      return rolls++ % 7 === 0 ? handle(event, now).reverse() : handle(event, now);
    }),
  },
};

/** Survives from one run to the next, which is the mistake. */
let rolls = 0;

/** The broken line as if the controller had said so. */
function answerOfLine(cause: unknown): never {
  throw reportedError('LOG_UNREADABLE', 'the line broke', { cause });
}

const startsLateMs = 20_000;
/** Any lease at all, for a session that asks whether its machine knows one. */
const unknownLease = {} as NonNullable<ReturnType<Worker['leaseOf']>>;
