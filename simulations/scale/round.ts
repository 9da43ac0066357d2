import { defaultTimings } from '../../src/controller/machine/events.ts';
import type { Offer } from '../../src/protocol/documents/index.ts';
import { sessionTimes } from '../../src/protocol/sessions/limits.ts';
import { shareReachedAfter } from '../../src/protocol/trust/draw.ts';
import type { Random } from '../random.ts';
import { assumptions } from './assumptions.ts';
import type { Deciding, Given } from './deciding.ts';
import { between, exponential, type Population, type WorkerState } from './population.ts';

const { detachGraceMs } = defaultTimings;
const { heartbeatMs } = sessionTimes;
const { answerMs, latencyMs, longBuildMs, shortBuildMs, stayMs } = assumptions;

export interface Answer {
  at: number;
  worker: number;
  pass: boolean;
}

/** When the answer of each worker is at the controller, in order of time: once its operator may claim (`postponed-offers.ts`, `claim.ts`). */
export function answersOf(
  { operatorOf }: Population,
  draw: Offer['draw'],
  {
    draws,
    arrivals,
    states,
  }: { draws: readonly number[]; arrivals: readonly number[]; states: readonly WorkerState[] },
  random: Random,
): Answer[] {
  const waits = draws.map((own) => shareReachedAfter({ draw }, own));
  const answers: Answer[] = [];
  for (const [worker, operator] of operatorOf.entries()) {
    const state = states[worker];
    const late = (arrivals[worker] ?? 0) + between(random, answerMs) + between(random, latencyMs);
    if (state === 'gone') continue;
    answers.push({ at: Math.round((waits[operator] ?? 0) + late), worker, pass: state !== 'free' });
  }
  return answers.sort((a, b) => a.at - b.at || a.worker - b.worker);
}

/** Answers to an offer, and heartbeats of claims that have a slot or wait for one. */
export interface Answered {
  claims: number;
  passes: number;
  heartbeats: number;
}

export interface RoundResult {
  given: readonly Given[];
  /** When every slot had a worker; `Infinity` where that never came. */
  fullAt: number;
  /** Messages of workers until then, until the end of a short build, of a long one. */
  untilFull: Answered;
  untilShort: Answered;
  untilLong: Answered;
  /** Time from the loss of a worker that builds to the next one for its slot; `Infinity` where none came while others built. */
  replacedAfter: number[];
}

/** Plays one round to the end of a long build. A worker that builds may leave meanwhile. */
export async function playRound(
  deciding: Deciding,
  answers: readonly Answer[],
  { slots, giveUpMs, random }: { slots: number; giveUpMs: number; random: Random },
): Promise<RoundResult> {
  const leaving: { at: number; given: Given }[] = [];
  /** Times at which a slot is given again. */
  const again: number[] = [];
  const lost: { at: number; slot: number }[] = [];
  let seen = 0;
  let fullAt = Number.POSITIVE_INFINITY;
  const watch = () => {
    for (const given of deciding.given.slice(seen)) {
      const stay = exponential(random.fork(`stay ${seen} ${given.worker}`), stayMs);
      leaving.push({ at: given.at + Math.ceil(stay), given });
      leaving.sort((a, b) => a.at - b.at);
      seen++;
      if (seen === slots) fullAt = given.at;
    }
  };
  const end = () => Math.min(giveUpMs, fullAt + longBuildMs);
  const pass = async (to: number) => {
    for (;;) {
      const at = Math.min(leaving[0]?.at ?? Number.POSITIVE_INFINITY, again[0] ?? Number.POSITIVE_INFINITY);
      if (at > to) return;
      await deciding.until(at);
      watch();
      if (again[0] === at) again.shift();
      else if (leaving[0]?.at === at) {
        const { given } = leaving.shift() as { given: Given };
        lost.push({ at, slot: given.slot });
        await deciding.leave(at, given);
        again.push(at + detachGraceMs);
      }
    }
  };
  for (const { at, worker, pass: passes } of answers) {
    if (at > end()) break;
    await pass(at);
    await deciding.answer(at, worker, passes);
    watch();
  }
  await pass(end());
  await deciding.until(end());
  watch();
  const { given } = deciding;
  const answered = (ms: number): Answered => {
    const until = Math.min(fullAt + ms, giveUpMs);
    const heard = answers.filter(({ at }) => at <= until);
    const claims = heard.filter(({ pass: passes }) => !passes);
    const heartbeats = claims.reduce((sum, { at }) => sum + Math.floor((until - at) / heartbeatMs), 0);
    return { claims: claims.length, passes: heard.length - claims.length, heartbeats };
  };
  return {
    given,
    fullAt,
    untilFull: answered(0),
    untilShort: answered(shortBuildMs),
    untilLong: answered(longBuildMs),
    replacedAfter: lost.map(
      (loss) =>
        (given.find(({ at, slot }) => slot === loss.slot && at > loss.at)?.at ?? Number.POSITIVE_INFINITY) -
        loss.at,
    ),
  };
}
