import { passReason } from '../wire/pass-reason.ts';
import type { RunSummary } from '../wire/runs.ts';
import { ownSignersTaskText, ownSignersText } from '../wire/told-policy.ts';
import { accountOf } from './account.ts';
import type { OpenFacts, RunState } from './states.ts';

/** A step on the way to `trusted`, in the present tense. */
export interface Rung {
  name: 'built' | 'agreed' | 'trusted';
  /** Texts of others in it are as they came: escape it. */
  says: string;
  /** One is `now` until the last is reached. */
  place: 'reached' | 'now' | 'ahead';
}

/** States of runs that may still be trusted, or are. */
const rising: ReadonlySet<RunState> = new Set([
  ...(['waiting', 'building', 'sealed', 'provisional', 'agreed', 'trusted'] as const),
]);

/** Steps of a run that may still be trusted, or is; none for others. */
export function ladderOf(summary: RunSummary): Rung[] {
  const { policy, level, tally, earlier, open } = summary;
  const { state, reason } = accountOf(summary);
  if (!rising.has(state)) return [];
  const { agree, of, cosign } = policy;
  const did = summary.test === true ? 'came to the same result' : 'built the same bytes';
  const sealed = open?.sealed ?? 0;
  const isAgreed = level === 'agreed' || level === 'trusted';
  const isBuilt = isAgreed || sealed > 0 || (tally?.ended ?? 0) > 0 || earlier !== undefined;
  const same = tally?.same ?? agree;
  const rungs: [name: Rung['name'], reached: boolean, says: string, now: string][] = [
    ['built', isBuilt, earlier === undefined ? 'built' : 'built in an earlier run', nowOf(state, reason)],
    [
      'agreed',
      isAgreed,
      isAgreed
        ? `${earlier === undefined ? same : 'enough'} of ${of} operators ${did}`
        : `${agree} of ${of} operators have to build the same`,
      nowOf(state, reason),
    ],
    [
      'trusted',
      level === 'trusted',
      level === 'trusted'
        ? cosign
          ? `${ownSignersText(policy)} ${earlier === undefined ? 'built the same' : 'checked its evidence'} and signed`
          : 'witnesses signed the log'
        : cosign
          ? ownSignersTaskText(policy)
          : 'witnesses have to sign the log',
      waitsFor(summary, cosign),
    ],
  ];
  const now = rungs.findIndex(([, reached]) => !reached);
  return rungs.map(([name, reached, says, saysNow], at) => ({
    name,
    says: at === now ? saysNow : says,
    place: reached && (now === -1 || at < now) ? 'reached' : at === now ? 'now' : 'ahead',
  }));
}

function nowOf(state: RunState, reason: string): string {
  if (reason.startsWith('for ')) return `waiting ${reason}`;
  return state === 'building' ? `being built ${reason}`.trim() : reason;
}

/** The signatures or inputs that an agreed run waits for before it is trusted. */
function waitsFor(summary: RunSummary, cosign: boolean): string {
  const { awaits = [], open, state } = summary;
  if (awaits.length > 0) return `waiting for ${awaits.join(', ')} to be trusted`;
  if (!cosign) return state === 'done' ? 'nobody co-signs it' : 'waiting for witnesses of the log';
  if (state === 'done') return 'no trusted worker signed it in time';
  return ownWorker(open, state);
}

/** Where the owner's own worker stands with a run that waits for it. */
function ownWorker(open: OpenFacts | undefined, state: string): string {
  if (state === 'cosigning' || state === 'answer-cosigning')
    return 'your own worker checks the evidence before it signs';
  switch (open?.trusted) {
    case 'building':
      return 'your own worker builds it';
    case 'delivered':
      return 'your own worker has built it, and is about to sign';
    case 'expired':
      return 'your own worker did not build it';
    default:
      return `waiting for your own worker${whyNot(open)}`;
  }
}

function whyNot(open: OpenFacts | undefined): string {
  if (open === undefined) return '';
  if (open.trustedConnected !== true) return ', which is not connected';
  const { trustedPassed: said } = open;
  if (said === undefined) return '';
  return said.startsWith('paused') ? `, which is ${said}` : `, which declines: ${passReason(said)}`;
}
