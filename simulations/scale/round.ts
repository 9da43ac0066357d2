import { defaultTimings } from '../../src/controller/machine/events.ts';
import type { Offer } from '../../src/protocol/documents/index.ts';
import { sessionTimes } from '../../src/protocol/sessions/limits.ts';
import { shareReachedAfter } from '../../src/protocol/trust/draw.ts';
import type { Random } from '../random.ts';
import { assumptions } from './assumptions.ts';
import type { Deciding, Given } from './deciding.ts';
import { between, exponential, type Population, type WorkerState } from './population.ts';

const { detachGraceMs } = defaultTimings;
const { heartbeatMs, pollMs } = sessionTimes;
const { answerMs, latencyMs, longBuildMs, shortBuildMs, stayMs } = assumptions;

/** A worker that has an offer. Times in whole ms since the round was opened. */
interface Reader {
  worker: number;
  /** When its operator may claim. */
  due: number;
  /** It is below the first share. */
  asked: boolean;
  /** Time from its decision until the controller has its answer. */
  late: number;
  /** It takes no slot. */
  passes: boolean;
}

/** Workers by the time when their operator may claim (`postponed-offers.ts`, `claim.ts` of the worker). */
export function readersOf(
  { operatorOf }: Population,
  draw: Offer['draw'],
  {
    draws,
    arrivals,
    states,
  }: { draws: readonly number[]; arrivals: readonly number[]; states: readonly WorkerState[] },
  random: Random,
): Reader[] {
  const waits = draws.map((own) => shareReachedAfter({ draw }, own));
  const readers: Reader[] = [];
  for (const [worker, operator] of operatorOf.entries()) {
    const state = states[worker];
    const late = Math.round(between(random, answerMs) + between(random, latencyMs));
    const wait = waits[operator] ?? 0;
    const due = Math.round((arrivals[worker] ?? 0) + wait);
    if (state !== 'gone') readers.push({ worker, due, asked: wait === 0, late, passes: state !== 'free' });
  }
  return readers.sort((a, b) => a.due - b.due || a.worker - b.worker);
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
  /** When the controller told all workers that a slot is free for them. */
  told: readonly number[];
  /** Messages of workers until then, until the end of a short build, of a long one. */
  untilFull: Answered;
  untilShort: Answered;
  untilLong: Answered;
  /** Time from the loss of a worker that builds to the next one for its slot; `Infinity` where none came while others built. */
  replacedAfter: number[];
}

/** Words of the controller about free slots, as workers hear them: when it tells all, and whenever they poll. */
class FreeSlots {
  readonly #deciding: Deciding;
  readonly #changes: { at: number; isFree: boolean }[] = [];
  #told = 0;

  constructor(deciding: Deciding) {
    this.#deciding = deciding;
  }

  /** To be called after each step. Returns when all were told since the last one. */
  look(at: number): number[] {
    const told = this.#deciding.told.slice(this.#told);
    this.#told += told.length;
    for (const one of told) this.#changes.push({ at: one, isFree: true });
    const isFree = this.#deciding.isFree();
    if (isFree !== (this.#changes.at(-1)?.isFree ?? false)) this.#changes.push({ at, isFree });
    return told;
  }

  /** Whether a worker has heard by now that a slot is free. */
  heardBy(worker: number, at: number): boolean {
    // Each polls at a time of its own.
    const poll = at - ((at + worker * 7919) % pollMs);
    const told = this.#deciding.told.findLast((one) => one + latencyMs[1] <= at) ?? 0;
    return this.#changes.findLast((change) => change.at <= Math.max(poll, told))?.isFree ?? false;
  }
}

interface Answer {
  at: number;
  worker: number;
  passes: boolean;
}

/** Plays one round to the end of a long build. A worker that builds may leave meanwhile. */
export async function playRound(
  deciding: Deciding,
  readers: readonly Reader[],
  { slots, giveUpMs, random }: { slots: number; giveUpMs: number; random: Random },
): Promise<RoundResult> {
  const free = new FreeSlots(deciding);
  const leaving: { at: number; given: Given }[] = [];
  /** Times at which a slot is given again. */
  const again: number[] = [];
  const lost: { at: number; slot: number }[] = [];
  /** Answers on their way, the next one last. */
  let answers: Answer[] = [];
  /** Workers that may claim, and have not heard of a free slot. */
  let waiting: Reader[] = [];
  const heard: Answer[] = [];
  let seen = 0;
  let fullAt = Number.POSITIVE_INFINITY;
  const answer = (from: readonly Reader[], at: number) => {
    const more = from.map(({ worker, passes, late }) => ({ at: at + late, worker, passes }));
    answers = [...answers, ...more].sort((a, b) => b.at - a.at || b.worker - a.worker);
  };
  const watch = (now: number) => {
    for (const given of deciding.given.slice(seen)) {
      const stay = exponential(random.fork(`stay ${seen} ${given.worker}`), stayMs);
      leaving.push({ at: given.at + Math.ceil(stay), given });
      leaving.sort((a, b) => a.at - b.at);
      seen++;
      if (seen === slots) fullAt = given.at;
    }
    for (const at of free.look(now)) {
      answer(waiting, Math.max(now, at + latencyMs[1]));
      waiting = [];
    }
  };
  const until = async (at: number) => {
    await deciding.until(at);
    watch(at);
  };
  const end = () => Math.min(giveUpMs, fullAt + longBuildMs);
  /** Workers leave, and their slots are given again. */
  const leave = async (to: number) => {
    for (;;) {
      const at = Math.min(leaving[0]?.at ?? Number.POSITIVE_INFINITY, again[0] ?? Number.POSITIVE_INFINITY);
      if (at > to) return;
      await until(at);
      if (again[0] === at) again.shift();
      else if (leaving[0]?.at === at) {
        const { given } = leaving.shift() as { given: Given };
        lost.push({ at, slot: given.slot });
        await deciding.leave(at, given);
        again.push(at + detachGraceMs);
      }
    }
  };
  let read = 0;
  for (;;) {
    const [reader, next] = [readers[read], answers.at(-1)];
    const at = Math.min(reader?.due ?? Number.POSITIVE_INFINITY, next?.at ?? Number.POSITIVE_INFINITY);
    if (at > end() || at === Number.POSITIVE_INFINITY) break;
    await leave(at);
    await until(at);
    // Slots that were given until then may have brought an earlier answer.
    if (next !== undefined && next === answers.at(-1) && next.at === at) {
      answers.pop();
      heard.push(next);
      await deciding.answer(at, next.worker, next.passes);
      watch(at);
    } else if (reader?.due === at) {
      read++;
      if (reader.asked || free.heardBy(reader.worker, at)) answer([reader], at);
      else waiting.push(reader);
    }
  }
  await leave(end());
  await until(end());
  const { given } = deciding;
  const answered = (ms: number): Answered => {
    const last = Math.min(fullAt + ms, giveUpMs);
    const own = heard.filter(({ at }) => at <= last);
    const claims = own.filter(({ passes }) => !passes);
    const heartbeats = claims.reduce((sum, { at }) => sum + Math.floor((last - at) / heartbeatMs), 0);
    return { claims: claims.length, passes: own.length - claims.length, heartbeats };
  };
  return {
    given,
    fullAt,
    told: deciding.told,
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
