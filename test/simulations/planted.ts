import { expect } from 'vitest';
import type { Bug } from '../../simulations/bug.ts';
import { bugs } from '../../simulations/bugs.ts';
import { allCheckers } from '../../simulations/checkers/index.ts';
import { type Checker, Violation } from '../../simulations/observer.ts';
import { epochMs } from '../../simulations/paperwork.ts';
import { simulatorWith } from '../../simulations/planted-source.ts';
import * as simulator from '../../simulations/simulate.ts';
import { range } from './seeds.ts';

/** Seeds that bring a bug to light now; where the code has changed since, the first 200 are searched. */
export const seeds: Record<string, number> = {
  'vote-counted-twice': 171,
  'ack-before-journal': 2,
  'ack-before-sync': 16,
  'promises-unsynced': 101,
  'fence-ignored': 5,
  'drain-ignored': 18,
  'reveal-early': 171,
  'slot-freed-silently': 26,
  'receipt-dropped': 27,
  'log-rewritten': 41,
  'policy-weakened': 27,
  'unwitnessed-is-trusted': 41,
  'verdict-changed': 3,
  'unsigned-is-disputed': 1,
  'failed-test-asked-again': 80,
  'revoked-goes-on': 3,
  'receipts-dropped-early': 5,
  'lost-bundles-believed': 2,
  'tickets-used-again': 54,
  'invite-is-ticket': 30,
  'members-unsynced': 1,
  'revoked-go-on-apart': 1,
  'state-outside-journal': 3,
  'no-timers': 4,
  'builds-all-at-once': 54,
  'trusted-worker-copies': 27,
  'lease-ends-at-reveal': 41,
  'hosts-not-looked-at': 6,
  'host-untold': 29,
  'failure-untold': 1,
  'deadline-ignored': 1,
  'nobody-waited-for': 1,
  'least-version-ignored': 1,
  'offers-before-started': 34,
  'offers-under-old-charter': 1,
  'broken-line-refuses': 27,
  'controller-never-looked-for': 54,
  'reveal-before-ack': 7,
  'witness-forgets': 75,
  'forgotten-story-signed': 24,
  'wrong-clock-journaled': 3,
  'wrong-clock-refuses': 1,
  'inputs-count-for-nothing': 42,
  'lost-input-ends-all': 8,
  'jobs-refused': 1,
  'revocations-refused': 1,
  'late-comers-refused': 54,
  'revocation-not-passed-on': 47,
  'answered-under-earlier-policy': 1,
  'answer-signed-twice': 18,
  'answer-signed-unread': 101,
  'compared-too-early': 14,
  'start-asks-nobody': 1,
  'leaves-unchecked': 1,
  'epoch-goes-on': 5,
  'promises-forgotten': 28,
  'given-back-unlisted': 148,
  'older-charter-stays': 9,
  'lost-ack-believed': 44,
  'signed-unasked': 148,
  'signed-unkept': 61,
  'store-counted-twice': 1,
  'store-believed': 2,
  'order-by-chance': 1,
  'instances-forgotten': 128,
  'messages-out-of-order': 2,
  'shortfall-is-disputed': 9,
  'short-wait-for-all': 25,
  'limits-passed-over': 34,
  'one-heartbeat': 2,
  'keeps-forgotten': 27,
  'thieves-stay': 24,
};

/** A second run that goes differently is looked for only where that is the bug. */
const once = true as const;

/** Their seeds take a second or more, up to eight: `npm test` leaves them out. Most of their checkers have a quicker bug there. */
const slow = [
  'ack-before-journal',
  'ack-before-sync',
  'answered-under-earlier-policy',
  'broken-line-refuses',
  'compared-too-early',
  'deadline-ignored',
  'dispute-is-unfinished',
  'drain-ignored',
  'epoch-goes-on',
  'failure-untold',
  'given-back-unlisted',
  'instances-forgotten',
  'jobs-refused',
  'lease-ends-at-reveal',
  'leaves-unchecked',
  'lost-ack-believed',
  'lost-bundles-believed',
  'lost-input-ends-all',
  'members-unsynced',
  'no-timers',
  'nobody-waited-for',
  'offers-before-started',
  'offers-under-old-charter',
  'one-operator-ends-it',
  'older-charter-stays',
  'order-by-chance',
  'promises-forgotten',
  'reveal-before-ack',
  'revocations-refused',
  'revoked-go-on-apart',
  'revoked-goes-on',
  'signed-unasked',
  'start-asks-nobody',
  'store-believed',
  'store-counted-twice',
  'tickets-used-again',
  'unsigned-is-disputed',
  'wrong-clock-refuses',
];
const isSlow = ([name]: [string, Bug]) => slow.includes(name);
const inMachines = Object.entries(bugs).filter(([, { source }]) => source === undefined);
export const slowBugs = inMachines.filter(isSlow);
export const quickBugs = inMachines.filter((bug) => !isSlow(bug));
/** All modules are loaded anew for each of these. */
export const bugsInSessions = Object.entries(bugs).filter(([, { source }]) => source !== undefined);

/** Ends a run, with no other failure, once the simulated clock is past `seconds`. */
const endsAfter = (seconds: number): Checker => ({
  invariant: 'none so far',
  observe(_, { now }) {
    if (now - epochMs > seconds * 1000) throw new Violation('it went on for long enough');
  },
});

/** Seconds up to which nothing fails in a seed without a planted bug; several bugs share a seed. */
const clean = new Map<string, Promise<number>>();

/** Whether nothing fails in a seed, without the bug, up to this time of the simulated clock. */
async function isClean(seed: number, { rates = {}, scenario = {} }: Bug, seconds: number): Promise<boolean> {
  const key = JSON.stringify({ seed, rates, scenario });
  if ((await (clean.get(key) ?? 0)) >= seconds) return true;
  const checkers = () => [...allCheckers(), endsAfter(seconds)];
  const run = simulator.simulate(seed, { rates, scenario, once, checkers }).then(({ failure }) => {
    if (failure === null) return Number.POSITIVE_INFINITY;
    return failure.invariant === 'none so far' ? seconds : 0;
  });
  clean.set(key, run);
  return (await run) >= seconds;
}

/**
 * Some seed fails at the checker that the bug names. Without the bug it does not, for a minute more than twice as long: a failure that is the
 * seed's own may come later without the bug.
 */
export async function expectCaught(name: string, bug: Bug): Promise<void> {
  const { caughtBy: only, patches = () => ({}), source, rates = {}, scenario = {} } = bug;
  const { simulate } = source === undefined ? simulator : await simulatorWith(source);
  const times = only === 'determinism' ? {} : { once };
  let found: { seed: number; seconds: number } | undefined;
  for (const seed of [seeds[name] ?? 1, ...range(1, 200)]) {
    const { failure, trace } = await simulate(seed, { patches, rates, scenario, only, ...times });
    if (failure === null) continue;
    expect(failure.invariant).toBe(only);
    // A line begins with its time.
    found = { seed, seconds: Number.parseFloat(trace.at(-1) ?? '') };
    break;
  }
  const { seed, seconds } = found ?? expect.fail('no seed among the first 200 fails');
  expect(await isClean(seed, bug, 2 * seconds + 60), 'the bug fails, not the seed').toBe(true);
}
