import { type ErrorCode, QuorateError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { compareTexts } from '../base/text.ts';
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
import { enforce, isNamed } from '../judge/index.ts';
import type { Revocations, Vote } from './evidence.ts';

/**
 * Targets that can be void: of revocations; a log with two stories; a project whose root revokes without end. `whole`: trusted workers
 * signed both stories; else only what has no line of theirs is void.
 */
export type VoidTarget =
  | RevocationTarget
  | { kind: 'log'; id: string; whole: boolean }
  /** All of it: its root revoked more than a project may, or `newer`: something was revoked that this version cannot read. */
  | { kind: 'project'; id: string; why?: 'newer' };

/** The contents of a revocation that holds, or of evidence of equivocation. */
export interface Revoked {
  what: VoidTarget;
  /** Log index: what was signed, built or decided from there on is void. */
  since: number;
  reason: string;
  /** Signed by the root; else by an identity provider. */
  byRoot: boolean;
  /** The signed document; absent for evidence. `keeps`: see the schema. */
  document?: { id: string; signer: string; keeps: readonly string[] };
}

export function revokedBy({ payload, signer, id }: Verified<Revocation>): Revoked {
  const { what, since, reason, project, keeps = [] } = payload;
  return { what, since, reason, byRoot: signer === project, document: { id, signer, keeps } };
}

/**
 * Revocations that count under a charter: of its keys only the root's; by ended keys only kept ones; from a root with too many none, and
 * nothing is believed. `endsKeys`: false for what was decided before ends of keys ended revocations.
 */
export function revokedUnder(all: readonly Revoked[], charter: Charter, endsKeys = true): Revoked[] {
  const counting = (endsKeys ? withoutEnded(all) : all).filter(
    ({ what, byRoot }) => byRoot || what.kind !== 'key' || !isNamed(charter, what.id),
  );
  const { project } = charter;
  if (isRootFull(all))
    counting.push({ what: { kind: 'project', id: project }, since: 0, reason: '', byRoot: true });
  return counting;
}

/** A revocation that this program cannot read voids all of the project. */
export const revokedUnread = (project: string, byRoot: boolean): Revoked => ({
  what: { kind: 'project', id: project, why: 'newer' },
  since: 0,
  reason: '',
  byRoot,
});

/** Whether it is of a later version than this program reads. */
export const isUnread = ({ what }: Revoked): boolean => what.kind === 'project' && what.why === 'newer';

/** Whether the root signed more revocations than a project may have. */
const isRootFull = (all: readonly Revoked[]): boolean =>
  new Set(all.flatMap(({ byRoot, document }) => (byRoot && document !== undefined ? [document.id] : [])))
    .size > limits.rootRevocationsMax;

/** Keys that the root revoked, and which of their own revocations stay: those that each of its revocations of the key keeps. */
export class EndedKeys {
  readonly #kept = new Map<string, ReadonlySet<string>>();

  constructor(all: readonly Revoked[] = []) {
    for (const one of all) this.add(one);
  }

  /** Returns whether it is the end of a key. More of them keep less, in whatever order they come. */
  add({ what, byRoot, document }: Revoked): boolean {
    // The root's own key is ended by nobody: nothing is above it.
    if (!byRoot || what.kind !== 'key' || what.id === document?.signer) return false;
    const before = this.#kept.get(what.id);
    const keeps = document?.keeps ?? [];
    this.#kept.set(what.id, new Set(before === undefined ? keeps : keeps.filter((id) => before.has(id))));
    return true;
  }

  get size(): number {
    return this.#kept.size;
  }

  has(key: string): boolean {
    return this.#kept.has(key);
  }

  /** Whether a revocation with this id, signed by this key, counts no more. Never one of the root. */
  voids(signer: string, id: string): boolean {
    return this.#kept.get(signer)?.has(id) === false;
  }
}

/** Leaves out revocations by keys that the root ended, except those that it keeps. */
function withoutEnded(all: readonly Revoked[]): readonly Revoked[] {
  const ended = new EndedKeys(all);
  return all.filter(
    ({ byRoot, document }) => byRoot || document === undefined || !ended.voids(document.signer, document.id),
  );
}

/** Computes it once for each list: lists of revocations are never changed once they are made. */
function onceFor<Found>(find: (all: readonly Revoked[]) => Found): (all: readonly Revoked[]) => Found {
  const known = new WeakMap<readonly Revoked[], { found: Found }>();
  return (all) => {
    const held = known.get(all) ?? { found: find(all) };
    known.set(all, held);
    return held.found;
  };
}

/** The earliest revocation of each target. */
const earliestIn = onceFor((all): ReadonlyMap<string, Revoked> => {
  const sorted = all.toSorted(inOrder).reverse();
  return new Map(sorted.map((one) => [targetOf(one.what), one]));
});

const targetOf = ({ kind, id }: VoidTarget): string => `${kind} ${id}`;

/** Order by leaf, then by id, so that the result does not depend on the order in which they were learned. */
const inOrder = (a: Revoked, b: Revoked): number =>
  a.since - b.since || compareTexts(a.document?.id ?? '', b.document?.id ?? '');

/** The earliest revocation of this that reaches something at a log index. */
export function revocationAt(
  all: readonly Revoked[],
  what: Exclude<VoidTarget, { kind: 'log' }>,
  index: number,
): Revoked | undefined {
  const first = earliestIn(all).get(targetOf(what));
  return first !== undefined && first.since <= index ? first : undefined;
}

/** The index of a leaf that all revocations reach. */
export const everyLeaf = Number.MAX_SAFE_INTEGER;

/** The ones of these keys that are of trusted workers of a charter, and not revoked at a log index. */
export function trustedAmong(
  keys: readonly string[],
  { trusted }: Pick<Charter, 'trusted'>,
  all: readonly Revoked[],
  index: number,
): string[] {
  return keys.filter(
    (id) => trusted.includes(id) && revocationAt(all, { kind: 'key', id }, index) === undefined,
  );
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

/** Documents that a verdict rests on besides the receipts it counts. Indices are those of the log. */
export interface VerdictUse {
  project: string;
  jobId: string;
  image: string;
  artifact: string | null;
  /** Signer and place of the verdict. */
  controller: string;
  index: number;
  /** The key that signed the checkpoint, the last leaf under it, and whether the checkpoint has the line of a trusted worker. */
  log: { key: string; last: number; hasLine: boolean };
  /** Its publisher: key, operator, and the identity provider that granted. */
  publisher: { key: string; operator: string; issuer: string };
  offers: readonly { signer: string; index: number }[];
}

/** The revocation that voids a verdict whatever its receipts say. */
export function verdictRevoked(all: readonly Revoked[], use: VerdictUse): Revoked | undefined {
  const { project, jobId, image, artifact, controller, index, log, publisher, offers } = use;
  const forked = forkOf(all, log);
  if (forked !== undefined) return forked;
  const uses: [Parameters<typeof revocationAt>[1], number][] = [
    [{ kind: 'project', id: project }, index],
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

/** The parts of an order that a worker knows before anything is built. */
interface OrderUse {
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
    project: charter.project,
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
  const { keys, operators, artifacts } = fromIn(all);
  return { keys, operators, artifacts: artifacts.flatMap(([id, since]) => (since <= index ? [id] : [])) };
}

interface From extends Required<Omit<Revocations, 'artifacts'>> {
  artifacts: readonly (readonly [id: string, since: number])[];
}
const fromIn = onceFor((all): From => {
  const of = (kind: RevocationTarget['kind']) =>
    [...earliestIn(all).values()].flatMap(({ what, since }) =>
      what.kind === kind ? [[what.id, since] as const] : [],
    );
  return {
    keys: Object.fromEntries(of('key')),
    operators: Object.fromEntries(of('operator')),
    artifacts: of('artifact'),
  };
});

/** The code for what is refused because of it. */
export const codeOfRevoked = (revoked: Revoked): ErrorCode =>
  isUnread(revoked) ? 'DOC_NEWER' : refusals[revoked.what.kind].code;

const refusals: Record<VoidTarget['kind'], { code: ErrorCode }> = {
  operator: { code: 'OPERATOR_REVOKED' },
  key: { code: 'KEY_REVOKED' },
  job: { code: 'JOB_REVOKED' },
  image: { code: 'IMAGE_REVOKED' },
  artifact: { code: 'ARTIFACT_REVOKED' },
  log: { code: 'LOG_EQUIVOCATED' },
  project: { code: 'REVOCATIONS_FULL' },
};

/** A sentence without its end: what, since when, why. */
export function sayRevoked({ what, since, reason, byRoot }: Revoked): string {
  if (what.kind === 'log')
    return `the log of the project tells two stories${what.whole ? '' : ', and no trusted worker signed in which of them this is'}: ${reason}`;
  if (what.kind === 'project' && what.why === 'newer')
    return `${byRoot ? 'the root key' : 'an identity provider'} of ${what.id} revoked something in a document of a later version than this program reads: update Quorate here`;
  if (what.kind === 'project')
    return `the root key of ${what.id} signed more than ${limits.rootRevocationsMax} revocations: nothing of the project is believed any more`;
  const by = byRoot ? 'the root key' : 'the identity provider';
  return `the ${what.kind} ${what.id} was revoked from leaf ${since} of the log on, by ${by}: ${reason}`;
}

/** The error for a member whose request or key is revoked. */
export function revokedError(revoked: Revoked): QuorateError {
  const isOperator = revoked.what.kind === 'operator';
  return new QuorateError(codeOfRevoked(revoked), sayRevoked(revoked), {
    hint: isOperator
      ? 'A revocation is not taken back: the owner can invite you under another name. Until then stop the worker: quorate worker stop'
      : 'A revocation is not taken back. Ask the owner of the project.',
  });
}
