import type {
  Charter,
  Grant,
  Job,
  Offer,
  Request,
  Revocation,
  RevocationTarget,
  Verified,
} from '../documents/index.ts';
import { type ErrorCode, QuorateError } from '../errors.ts';
import { enforce, isNamed } from '../judge/index.ts';
import type { Revocations, Vote } from './evidence.ts';

/**
 * What can be void: what a revocation names, or a log that tells two stories. `whole`: trusted workers signed both, so that everything
 * under that log key is void; else only what has no line of a trusted worker.
 */
export type VoidTarget = RevocationTarget | { kind: 'log'; id: string; whole: boolean };

/** What a revocation that holds says, or evidence of equivocation. */
export interface Revoked {
  what: VoidTarget;
  /** Log index: what was signed, built or decided from there on is void. */
  since: number;
  reason: string;
  /** Signed by the root; else by an identity provider. */
  byRoot: boolean;
}

export function revokedBy({ payload, signer }: Verified<Revocation>): Revoked {
  const { what, since, reason, project } = payload;
  return { what, since, reason, byRoot: signer === project };
}

/** Those that count for evidence under a charter: the keys it names are revoked by the root only. */
export function revokedUnder(all: readonly Revoked[], charter: Charter): Revoked[] {
  return all.filter(({ what, byRoot }) => byRoot || what.kind !== 'key' || !isNamed(charter, what.id));
}

/** The earliest revocation of this that reaches something at a log index. */
export function revocationAt(
  all: readonly Revoked[],
  what: RevocationTarget,
  index: number,
): Revoked | undefined {
  let first: Revoked | undefined;
  for (const one of all) {
    const same = one.what.kind === what.kind && one.what.id === what.id;
    if (same && one.since <= index && (first === undefined || one.since < first.since)) first = one;
  }
  return first;
}

/** The revocation for which a key may not act in its role any more, at a log index. A trusted worker's key is revoked by itself. */
export function memberRevokedAt(
  all: readonly Revoked[],
  { sub, operator, role }: Pick<Grant, 'sub' | 'operator' | 'role'>,
  index: number,
): Revoked | undefined {
  return (
    revocationAt(all, { kind: 'key', id: sub }, index) ??
    (role === 'trusted-worker' ? undefined : revocationAt(all, { kind: 'operator', id: operator }, index))
  );
}

/** The revocation for which a receipt is no vote. */
export function voteRevoked(
  all: readonly Revoked[],
  vote: Pick<Vote, 'worker' | 'operator' | 'issuer' | 'index' | 'role'>,
): Revoked | undefined {
  const { worker, operator, issuer, index, role } = vote;
  return (
    revocationAt(all, { kind: 'key', id: worker }, index) ??
    revocationAt(all, { kind: 'key', id: issuer }, index) ??
    (role === 'worker' ? revocationAt(all, { kind: 'operator', id: operator }, index) : undefined)
  );
}

/** What a verdict rests on besides the receipts it counts. Indices are those of the log. */
export interface VerdictUse {
  jobId: string;
  image: string;
  artifact: string | null;
  /** Who signed the verdict, and where it is. */
  controller: string;
  index: number;
  /** The key that signed the checkpoint, the last leaf under it, and whether the checkpoint has the line of a trusted worker. */
  log: { key: string; last: number; hasLine: boolean };
  /** Who asked for it: key, operator, and the identity provider that granted. */
  publisher: { key: string; operator: string; issuer: string };
  offers: readonly { signer: string; index: number }[];
}

/** The revocation that voids a verdict whatever its receipts say. */
export function verdictRevoked(all: readonly Revoked[], use: VerdictUse): Revoked | undefined {
  if (all.length === 0) return undefined;
  const { jobId, image, artifact, controller, index, log, publisher, offers } = use;
  const forked = forkOf(all, log);
  if (forked !== undefined) return forked;
  const uses: [RevocationTarget, number][] = [
    [{ kind: 'job', id: jobId }, index],
    [{ kind: 'image', id: image }, index],
    [{ kind: 'key', id: controller }, index],
    [{ kind: 'key', id: log.key }, log.last],
  ];
  if (artifact !== null) uses.push([{ kind: 'artifact', id: artifact }, index]);
  for (const offer of offers)
    uses.push(
      [{ kind: 'key', id: offer.signer }, offer.index],
      [{ kind: 'key', id: publisher.key }, offer.index],
      [{ kind: 'key', id: publisher.issuer }, offer.index],
      [{ kind: 'operator', id: publisher.operator }, offer.index],
    );
  for (const [what, at] of uses) {
    const revoked = revocationAt(all, what, at);
    if (revoked !== undefined) return revoked;
  }
  return undefined;
}

/** The evidence of two stories that voids what is under a checkpoint of this log key. */
export function forkOf(
  all: readonly Revoked[],
  { key, hasLine }: Pick<VerdictUse['log'], 'key' | 'hasLine'>,
): Revoked | undefined {
  return all.find(({ what }) => what.kind === 'log' && what.id === key && (what.whole || !hasLine));
}

/** What a worker knows of an order before anything is built. */
export interface OrderUse {
  offer: Verified<Offer>;
  request: Verified<Request>;
  publisher: Verified<Grant>;
  job: Job;
  jobId: string;
}

/** Whether an offer stands: what would come of it would be void otherwise. Codes: `…_REVOKED`. */
export function checkStands(
  all: readonly Revoked[],
  charter: Charter,
  { offer, request, publisher, job, jobId }: OrderUse,
): void {
  const { index } = offer.payload;
  const revoked = verdictRevoked(revokedUnder(all, charter), {
    jobId,
    image: job.image,
    artifact: null,
    controller: offer.signer,
    index,
    log: { key: charter.log, last: index, hasLine: false },
    publisher: { key: request.signer, operator: publisher.payload.operator, issuer: publisher.signer },
    offers: [{ signer: offer.signer, index }],
  });
  if (revoked !== undefined) enforce(codeOfRevoked(revoked), false, sayRevoked(revoked));
}

/** For `decide`. An artifact is revoked for verdicts from its log index on; `index` is that of the verdict. */
export function revocationsFor(all: readonly Revoked[], index: number): Revocations {
  const from = (kind: RevocationTarget['kind']) => {
    const found = new Map<string, number>();
    for (const { what, since } of all)
      if (what.kind === kind) found.set(what.id, Math.min(since, found.get(what.id) ?? since));
    return found;
  };
  return {
    keys: Object.fromEntries(from('key')),
    operators: Object.fromEntries(from('operator')),
    artifacts: [...from('artifact')].flatMap(([id, since]) => (since <= index ? [id] : [])),
  };
}

/** The code for what is refused because of it. */
export const codeOfRevoked = ({ what }: Revoked): ErrorCode => refusals[what.kind].code;

const refusals: Record<VoidTarget['kind'], { code: ErrorCode }> = {
  operator: { code: 'OPERATOR_REVOKED' },
  key: { code: 'KEY_REVOKED' },
  job: { code: 'JOB_REVOKED' },
  image: { code: 'IMAGE_REVOKED' },
  artifact: { code: 'ARTIFACT_REVOKED' },
  log: { code: 'LOG_EQUIVOCATED' },
};

/** A sentence without its end: what, since when, why. */
export function sayRevoked({ what, since, reason, byRoot }: Revoked): string {
  if (what.kind === 'log')
    return `the log of the project tells two stories${what.whole ? '' : ', and no trusted worker signed in which of them this is'}: ${reason}`;
  const by = byRoot ? 'the root key' : 'the identity provider';
  return `the ${what.kind} ${what.id} was revoked from leaf ${since} of the log on, by ${by}: ${reason}`;
}

/** What a member is told that was revoked. */
export function revokedError(revoked: Revoked): QuorateError {
  const isOperator = revoked.what.kind === 'operator';
  return new QuorateError(codeOfRevoked(revoked), sayRevoked(revoked), {
    hint: isOperator
      ? 'A revocation is not taken back: the owner can invite you under another name. Until then stop the worker: quorate worker stop'
      : 'A revocation is not taken back. Ask the owner of the project.',
  });
}
