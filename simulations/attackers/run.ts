import type { Policy } from '../../src/protocol/documents/index.ts';
import { cosignersOf } from '../../src/protocol/judge/policy.ts';
import { type Decision, decideBy, levelWithoutResult } from '../../src/protocol/trust/decide.ts';
import type { Vote } from '../../src/protocol/trust/evidence.ts';
import { rules } from '../../src/protocol/trust/rules.ts';
import type { Random } from '../random.ts';

export type Behaviour =
  | 'honest'
  /** Each its own tampered artifact, or all the same. */
  | 'tampers-alone'
  | 'tampers-alike'
  /** Tampers alike where its party has slots enough to be agreed with, and is honest in every other round. */
  | 'careful'
  /** Delivers what somebody else delivered before. In a sealed round that is after the reveal. */
  | 'copies'
  /** Keeps its lease to the end and delivers nothing. */
  | 'silent';

export interface Cast {
  /** Operators that are enrolled. */
  operators: number;
  behaviourOf: (operator: number) => Behaviour;
  /** How often an honest operator's lease is lost: its host is flooded, or went away. */
  lossPerLease: number;
  /** Hours until the trusted worker delivers; null: never. */
  trustedHours: number | null;
  /** It builds what the attackers build: always, or where they are agreed with. */
  trustedTampers?: 'always' | 'careful';
  /** Guard off: receipts are shown as they come, and late ones count. */
  unsealed?: boolean;
}

export interface Outcome {
  /** As in the run's last verdict. `agreed` under a policy with co-signature: the trusted worker never came. */
  level: 'trusted' | 'agreed' | 'disputed' | 'unfinished';
  /** The artifact of that level is a tampered one. */
  tampered: boolean;
  /** A tampered artifact was published as agreed or better, for this many hours (until it was revoked, or for good: Infinity). */
  exposedHours: number;
  /** A tampered receipt was delivered. */
  attacked: boolean;
  /** Somebody built something else than a tampered receipt says, and the owner is told: by whom, and how many hours after the request. */
  noticed: { by: 'operators' | 'trusted worker'; hours: number } | null;
  /** Builds of operators and of the trusted worker, begun and paid for. */
  builds: number;
  rounds: number;
  /** Hours from the request to the last verdict. */
  hours: number;
}

/** Hours of a build on a host of medium speed; others take from half to twice as long. */
const buildHours = 1;
/** A lease ends after this; a lost host is missed within minutes. */
const leaseHours = 4;
const silenceHours = 1 / 60;
const leasesPerSlot = 4;

const isTampered = (result: string | null): boolean => result !== null && result !== 'honest';

/** The operators that a round asks, in the order of their draws. */
export type Round = (round: number) => readonly number[];

/** One request: rounds of sealed leases by the draw, the trusted worker beside them, and the production decision at the end of each. */
export function run(policy: Policy, cast: Cast, ask: Round, random: Random): Outcome {
  const { trustedHours, unsealed = false } = cast;
  const cosigns = cosignersOf(policy) > 0;
  const receipts: Receipt[] = [];
  const out: Outcome = {
    level: 'unfinished',
    tampered: false,
    exposedHours: 0,
    attacked: false,
    noticed: null,
    builds: 0,
    rounds: 0,
    hours: 0,
  };
  let told = false;
  const notice = (by: 'operators' | 'trusted worker', hours: number) => {
    out.noticed ??= { by, hours };
  };
  const trustedComes = () => {
    if (told || !cosigns || trustedHours === null) return;
    told = true;
    out.builds++;
    receipts.push({
      operator: 'trusted',
      round: out.rounds,
      slot: 0,
      result: trustedResult(policy, cast, receipts, out.rounds),
      sealed: true,
    });
  };
  for (;;) {
    out.rounds++;
    const before = new Set(receipts.filter(({ sealed }) => sealed).map(({ operator }) => operator));
    const fresh = ask(out.rounds).filter((operator) => !before.has(operator));
    const { delivered, builds, hours } = roundOf(policy, cast, fresh, out.rounds, random);
    receipts.push(...delivered);
    out.builds += builds;
    out.hours += hours;
    if (trustedHours !== null && trustedHours <= out.hours) trustedComes();
    let judged = judge(policy, receipts, unsealed);
    out.attacked ||= delivered.some(({ result }) => isTampered(result));
    if (out.attacked && judged.dispute === 'operators') notice('operators', out.hours);
    if (judged.level === 'agreed' && cosigns && trustedHours === null) {
      const tampered = isTampered(judged.result);
      return { ...out, level: 'agreed', tampered, exposedHours: tampered ? Number.POSITIVE_INFINITY : 0 };
    }
    if (judged.level === 'agreed' && cosigns && trustedHours !== null && !told) {
      // Published as agreed; the trusted worker is still building.
      const since = out.hours;
      const tampered = isTampered(judged.result);
      out.hours = trustedHours;
      trustedComes();
      judged = judge(policy, receipts, unsealed);
      if (tampered && judged.level !== 'trusted') out.exposedHours = trustedHours - since;
    }
    if (out.attacked && judged.dispute === 'trusted-worker') notice('trusted worker', out.hours);
    if (judged.level === 'trusted') {
      const tampered = isTampered(judged.result);
      return {
        ...out,
        level: 'trusted',
        tampered,
        exposedHours: tampered ? Number.POSITIVE_INFINITY : out.exposedHours,
      };
    }
    const held = receipts.filter(({ operator, sealed }) => operator !== 'trusted' && sealed).length;
    if (out.rounds < policy.rounds && cast.operators - held >= policy.agree) continue;
    return { ...out, level: levelWithoutResult(judged) };
  }
}

function trustedResult(
  { agree }: Policy,
  { trustedTampers }: Cast,
  receipts: readonly Receipt[],
  round: number,
): string {
  if (trustedTampers === undefined) return 'honest';
  const alike = receipts.filter((receipt) => receipt.round === round && receipt.result === 'alike').length;
  return trustedTampers === 'always' || alike >= agree ? 'alike' : 'honest';
}

/** One sealed round: the lowest draws get the slots, and a slot that is lost is leased to the next while there is time. */
function roundOf(policy: Policy, cast: Cast, fresh: readonly number[], round: number, random: Random) {
  const waiting = [...fresh];
  const slots = Array.from({ length: policy.of }, () => waiting.shift());
  // A party knows its own slots before it builds.
  const party = slots.filter(
    (operator) => operator !== undefined && cast.behaviourOf(operator) === 'careful',
  ).length;
  const delivered: Receipt[] = [];
  const copies: Receipt[] = [];
  let builds = 0;
  let hours = 0;
  for (const [slot, first] of slots.entries()) {
    let at = 0;
    let operator = first;
    for (let lease = 1; operator !== undefined; lease++) {
      const behaviour = cast.behaviourOf(operator);
      const tampers = behaviour === 'careful' && party >= policy.agree;
      const copying = behaviour === 'copies' && !(cast.unsealed === true && delivered.length > 0);
      const lost = behaviour === 'honest' && random.chance(cast.lossPerLease);
      builds++;
      if (behaviour === 'silent' || copying || lost) {
        if (copying) copies.push({ operator, round, slot, result: 'copied', sealed: false });
        at += lost ? silenceHours : leaseHours;
        hours = Math.max(hours, at);
        if (lease === leasesPerSlot || at > leaseHours) break;
        operator = waiting.shift();
        continue;
      }
      const result =
        behaviour === 'copies'
          ? (delivered[0]?.result ?? 'honest')
          : behaviour === 'tampers-alone'
            ? `alone${slot}`
            : behaviour === 'tampers-alike' || tampers
              ? 'alike'
              : 'honest';
      hours = Math.max(hours, at + buildHours * 2 ** (random.int(-1000, 1000) / 1000));
      delivered.push({ operator, round, slot, result, sealed: true });
      break;
    }
  }
  // A copy comes after the reveal: it is in the log, and counts for nothing.
  const [shown] = delivered;
  const late = shown === undefined ? [] : copies.map((copy) => ({ ...copy, result: shown.result }));
  return { delivered: [...delivered, ...late], builds, hours };
}

/** A receipt of a simulated run. */
export interface Receipt {
  operator: number | 'trusted';
  round: number;
  slot: number;
  /** The result: `honest`, or the tamperer's name for it. */
  result: string;
  sealed: boolean;
}

const trustedKey = 'trusted';

/** Grows with the patterns that there are, some thousands. */
const known = new Map<string, Decision>();

/** The production decision. Equal patterns of receipts are decided once: `decide` is pure. `unsealed`: a late copy counts, too. */
function judge(policy: Policy, receipts: readonly Receipt[], unsealed = false): Decision {
  const { agree, of, cosign } = policy;
  const people = new Map<Receipt['operator'], number>();
  const pattern = receipts.map(({ operator, round, slot, result, sealed }) => {
    if (!people.has(operator)) people.set(operator, people.size);
    return `${operator === 'trusted' ? 't' : people.get(operator)}.${round}.${slot}.${result}.${sealed ? 1 : 0}`;
  });
  const key = `${agree}/${of} ${cosign} ${unsealed} ${pattern.join(' ')}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  const using = unsealed ? rules.filter(({ reason }) => reason !== 'unsealed') : rules;
  const evidence = {
    votes: receipts.map(voteOf),
    trustedKeys: [trustedKey],
    cosigned: [trustedKey],
    inputs: {},
  };
  const judged = decideBy({ using, off: new Set() }, policy, evidence, { keys: {} });
  known.set(key, judged);
  return judged;
}

function voteOf({ operator, round, slot, result, sealed }: Receipt, n: number): Vote {
  const isTrusted = operator === 'trusted';
  return {
    receipt: `receipt ${n}`,
    worker: isTrusted ? trustedKey : `worker ${operator}`,
    operator: isTrusted ? 'owner' : `operator ${operator}`,
    issuer: 'idp',
    role: isTrusted ? 'trusted-worker' : 'worker',
    round,
    slot: isTrusted ? 'trusted' : slot,
    index: round * 1_000 + n,
    enrolled: 1,
    offerIndex: round * 1_000 - 1,
    outcome: { kind: 'exit', code: 0, artifact: result },
    result,
    sealed,
  };
}
