import type { Checker, Observe } from '../observer.ts';
import { absences } from './absences.ts';
import { acks } from './acks.ts';
import { agreement } from './agreement.ts';
import { answers } from './answers.ts';
import { attackers } from './attackers.ts';
import { charters } from './charters.ts';
import { clocks } from './clocks.ts';
import { cosigning } from './cosigning.ts';
import { counted } from './counted.ts';
import { drains } from './drains.ts';
import { endedKeys } from './ended-keys.ts';
import { endings } from './endings.ts';
import { evidence } from './evidence.ts';
import { fences } from './fences.ts';
import { finished } from './finished.ts';
import { forks } from './forks.ts';
import { grants } from './grants.ts';
import { hosts } from './hosts.ts';
import { instances } from './instances.ts';
import { knownLeases } from './known-leases.ts';
import { leaseEnds } from './lease-ends.ts';
import { leases } from './leases.ts';
import { lending } from './lending.ts';
import { limits } from './limits.ts';
import { liveness } from './liveness.ts';
import { log } from './log.ts';
import { logs } from './logs.ts';
import { pipelines } from './pipelines.ts';
import { rebuilt } from './rebuilt.ts';
import { replay } from './replay.ts';
import { restores } from './restores.ts';
import { revoked } from './revoked.ts';
import { rotations } from './rotations.ts';
import { sealed } from './sealed.ts';
import { served } from './served.ts';
import { stores } from './stores.ts';
import { tests } from './tests.ts';
import { verdicts } from './verdicts.ts';
import { versions } from './versions.ts';
import { votes } from './votes.ts';
import { witnesses } from './witnesses.ts';

/** By invariant. Determinism is checked from outside: the same trace twice. */
const checkers = {
  acks,
  clocks,
  log,
  logs,
  witnesses,
  forks,
  votes,
  leases,
  'lease ends': leaseEnds,
  absences,
  endings,
  drains,
  'known leases': knownLeases,
  served,
  counted,
  stores,
  lending,
  hosts,
  versions,
  limits,
  charters,
  rotations,
  fences,
  sealed,
  cosigning,
  pipelines,
  rebuilt,
  instances,
  replay,
  restores,
  revoked,
  'ended keys': endedKeys,
  grants,
  verdicts,
  tests,
  answers,
  evidence,
  attackers,
  finished,
  liveness,
  agreement,
} satisfies Record<string, () => Observe>;

type Invariant = keyof typeof checkers;

/** One per invariant, fresh for each run; those of these names where some are given. */
export const allCheckers = (names?: readonly Invariant[]): Checker[] =>
  Object.entries(checkers).flatMap(([invariant, make]) =>
    names === undefined || names.includes(invariant as Invariant) ? [{ invariant, observe: make() }] : [],
  );
