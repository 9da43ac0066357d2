import { z } from 'zod';
import { QuorateError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { fromUtf8, toUtf8 } from '../base/text.ts';
import { cid, count, milliseconds, multiaddr, name, peerId, sha256, text } from '../documents/base.ts';
import { reasonOf, survey, upToFirstFault } from '../documents/canonical.ts';
import { capabilitiesSchema } from '../documents/round.ts';
import { verdictLevelSchema } from '../documents/statement.ts';
import { transparencyLimits } from '../transparency/index.ts';
import { wireLimits } from './limits.ts';
import { peerVersionSchema } from './peer-version.ts';
import { ofKind, progressSchema } from './progress.ts';
import { pipelineJobSchema, revokedSchema, runSummarySchema } from './runs.ts';

/**
 * Messages of the protocols: JSON, one a frame, around signed documents; nothing in one is believed for itself, except what a controller
 * says of its own jobs. The decoder leaves out unknown members.
 */
const jws = z.string().min(1).max(limits.documentBytesMax);
const envelope = z.string().min(1).max(limits.receiptBytesMax);
const code = z.string().regex(/^[A-Z][A-Z0-9_]{1,60}$/);
/** Sentences are for people: control characters never pass. */
const says = text(2000);
const error = ofKind('error', { code, message: says, hint: says.optional() });

/** An offer with all that is needed to judge it. Gossiped, and in every backlog. */
export const offerNoticeSchema = z.object({
  offer: jws,
  request: jws,
  publisher: jws,
  job: z.string().min(2).max(limits.jobBytesMax),
});
export type OfferNotice = z.infer<typeof offerNoticeSchema>;

/** A hint that a verdict is out; whoever cares pulls the bundle and checks it. */
export const verdictNoticeSchema = z.object({
  job: cid,
  request: sha256,
  level: verdictLevelSchema,
  /** Null for a test too, which makes none. */
  artifact: cid.nullable(),
  /** It counts without a co-signature: whoever holds the controller can forge it. */
  cosigned: z.literal(false).optional(),
  revoked: revokedSchema.optional(),
  /** PeerIds of workers that are to serve the bundle from now on; the others fetch it later. Absent: each fetches it now. */
  mirrors: z.array(peerId).max(wireLimits.mirrorsMax).optional(),
});
export type VerdictNotice = z.infer<typeof verdictNoticeSchema>;

/** Evidence that a log of the project tells two stories. Gossiped, one at a time, and wherever revocations are told. */
const equivocation = z.string().min(1).max(limits.equivocationCharsMax);
const equivocations = z.array(equivocation).max(limits.equivocationsMax);
export const equivocationNoticeSchema = z.object({ equivocation });

/** Signed revocations with charters that name their signers: one in gossip, a page elsewhere. `next`: its last id, where more follow. */
export const revocationListSchema = z.object({
  charters: z.array(jws).max(limits.revocationChartersMax),
  revocations: z.array(jws).max(limits.revocationsMax),
  equivocations: equivocations.optional(),
  next: sha256.optional(),
});

/** Where a controller's HTTP feed is: http or https, no credentials, no query. */
const feedUrls = z.array(text(300).regex(/^https?:\/\/[^\s/?#@]+(?:\/[^\s?#]*)?$/)).max(limits.feedUrlsMax);

/** Of inclusion or consistency, see `verifyInclusion` and `verifyConsistency`. */
const proof = z.array(sha256).max(wireLimits.proofHashesMax);
/** A checkpoint of the log (signed note), with lines of witnesses or without. */
const note = z.string().min(1).max(transparencyLimits.checkpointCharsMax);

/** A checkpoint whose round has ended. Gossiped, and by HTTP. */
export const checkpointNoticeSchema = z.object({ note });
export type CheckpointNotice = z.infer<typeof checkpointNoticeSchema>;

export const feedUpSchema = z.discriminatedUnion('kind', [
  ofKind('hello', {
    grant: jws,
    capabilities: capabilitiesSchema.strip(),
    /** Absent where it is of before versions were stated. */
    version: peerVersionSchema.optional(),
  }),
  ofKind('poll', {}),
  /** The sender's line for the checkpoint of this size; one of a round that is over is ignored. */
  ofKind('witness', { size: count, line: z.string().max(wireLimits.witnessLineCharsMax) }),
]);
export type FeedUp = z.infer<typeof feedUpSchema>;
export const feedDownSchema = z.discriminatedUnion('kind', [
  ofKind('backlog', {
    charter: jws,
    offers: z.array(offerNoticeSchema).max(limits.openRequestsMax),
    /** How many revocations there are. */
    revocations: count,
    feed: feedUrls.optional(),
    /** Further offers follow at the next poll, which need not wait. */
    more: z.literal(true).optional(),
    /** The current one, with the lines that it has so far. */
    checkpoint: note.optional(),
    /** Only to those who state theirs. */
    version: peerVersionSchema.optional(),
    /** Offers with a slot that those who were asked first did not take: others may claim as their share opens. Absent: all may. */
    free: z.array(sha256).max(limits.openRequestsMax).optional(),
  }),
  /** A round has begun: answered with `witness`. `since`: proof from the last checkpoint that the receiver witnessed on this stream. */
  ofKind('checkpoint', { note, since: z.object({ size: count, proof }).optional() }),
  error,
]);

/** Bodies of the HTTP feed. */
export const feedOffersSchema = z.array(offerNoticeSchema).max(limits.feedOffersMax);
export const feedVerdictsSchema = z.array(verdictNoticeSchema).max(limits.feedOffersMax);
export const feedCharterSchema = z.object({ charter: jws });

const reportedLimitSchema = z.object({ name: text(40), max: count });

export const leaseUpSchema = z.discriminatedUnion('kind', [
  /** `version` as in a hello: a feed may have ended before the claim. */
  ofKind('claim', { claim: jws, grant: jws, version: peerVersionSchema.optional() }),
  ofKind('resume', { lease: jws }),
  ofKind('heartbeat', {}),
  /**
   * `limit`: of the job or the protocol, by its name and number, where the build was aborted at one. `times`: of the lines of its log, for
   * people (`parseLogTimes`).
   */
  ofKind('receipt', {
    envelope,
    limit: reportedLimitSchema.optional(),
    times: z.string().max(limits.logTimesCharsMax).optional(),
  }),
  /** No receipt comes: the worker cannot make, sign or send one. */
  ofKind('failed', { code, message: says }),
  ofKind('cosigned', {
    /** Of the draft that was signed: there may be another one by now. */
    verdict: sha256,
    signature: z.string().max(100),
    witness: z.string().max(400),
  }),
  /** `verdict` is absent where the draft could not be read. */
  ofKind('cosign-refused', { verdict: sha256.optional(), code, message: says }),
]);
export type LeaseUp = z.infer<typeof leaseUpSchema>;
export const leaseDownSchema = z.discriminatedUnion('kind', [
  ofKind('standby', {}),
  /** The window closed without a slot for this claim; it may still get one that becomes free. */
  ofKind('reserve', {}),
  ofKind('lease', { lease: jws }),
  ofKind('ack', { ack: jws }),
  ofKind('reveal', {}),
  ofKind('release', { code, message: says }),
  /** The draft bundle; its checkpoint is what the trusted worker reads the log up to before it signs. */
  ofKind('cosign', { bundle: z.string().max(limits.bundleBytesMax) }),
  error,
]);
export type LeaseDown = z.infer<typeof leaseDownSchema>;

/** From a trusted worker, on the stream for answers from earlier builds. */
export const cosignUpSchema = z.discriminatedUnion('kind', [
  /** The first message, and again where the grant was renewed. */
  ofKind('hello', { grant: jws }),
  ofKind('heartbeat', {}),
  ofKind('answered', {
    /** Its line for the checkpoint of the drafts; absent where it signs none. */
    witness: z.string().max(wireLimits.witnessLineCharsMax).optional(),
    /** In the order of the drafts: the signature, or why there is none. */
    answers: z
      .array(z.union([z.object({ signature: z.string().max(100) }), z.object({ code, message: says })]))
      .max(wireLimits.answersAtOnceMax),
  }),
]);
export type CosignUp = z.infer<typeof cosignUpSchema>;
export const cosignDownSchema = z.discriminatedUnion('kind', [
  /** Draft bundles with one checkpoint, up to which the log is read before any of them is signed. Answered with `answered`. */
  ofKind('answers', {
    bundles: z.array(z.string().max(limits.bundleBytesMax)).min(1).max(wireLimits.answersAtOnceMax),
  }),
  error,
]);
export type CosignDown = z.infer<typeof cosignDownSchema>;

export const logUpSchema = z.object({ lease: sha256 });

export const apiUpSchema = z.discriminatedUnion('kind', [
  ofKind('charter', {}),
  /** Leaves of the log from this index on, as many as one message holds. */
  ofKind('log', { from: count }),
  /** The current checkpoint with lines and grants, or the one of `size`; and the proof that it goes on from the first `old` leaves. */
  ofKind('checkpoint', { old: count, size: count.optional() }),
  /** That the leaf `index` is under the checkpoint of `size`. */
  ofKind('inclusion', { index: count, size: count }),
  ofKind('enrol', { enrol: jws, invite: jws, possession: jws.optional() }),
  ofKind('renew', { enrol: jws }),
  ofKind('submit', { request: jws, publisher: jws, job: z.string().min(2).max(limits.jobBytesMax) }),
  /** The controller fetches this tree of dependencies from the sender over the same connection; answered with `bringing`, `brought`. */
  ofKind('bring', { tree: cid, publisher: jws }),
  /** `ref`: of this branch or tag only, by its full name or as people write it; a controller of before tells of all. */
  ofKind('jobs', { ref: text(300).optional() }),
  /** `which`: a run id, a job's CID, or the start of one of them (8 characters at least). */
  ofKind('show', { which: text(120) }),
  ofKind('follow', { which: text(120) }),
  /** The revocation proves by itself who may say so; whoever brings it does not matter. */
  ofKind('revoke', { revocation: jws }),
  /** Evidence against the log; it proves itself. Answered with `end`. */
  ofKind('equivocation', { equivocation }),
  /** Of one's own runs only. */
  ofKind('cancel', { which: text(120), reason: text(500).min(1) }),
  /** The alarm of this run was looked at, by who may publish. */
  ofKind('acknowledge', { which: text(120), publisher: jws }),
  /** Live logs of a sealed round go to its requester and nobody else. */
  ofKind('logs', {
    which: text(120),
    follow: z.boolean(),
    worker: text(80).optional(),
    /** Of the lines of each log that is complete, in its first `output`. */
    times: z.literal(true).optional(),
  }),
]);
export type ApiUp = z.infer<typeof apiUpSchema>;
/** Null for an event that does not decode, or of a later version: it hides no others. */
const timed = { at: milliseconds.catch(0), progress: progressSchema.catch(null) };
const unread = { at: 0, progress: null };
export const apiDownSchema = z.discriminatedUnion('kind', [
  /** `feed`: as with a grant. A worker shows it before it joins. */
  ofKind('charter', { charter: jws, feed: feedUrls.optional() }),
  ofKind('leaves', { from: count, size: count, leaves: z.array(text(400)).max(limits.leavesPerMessageMax) }),
  ofKind('checkpoint', { note, proof, grants: z.array(jws).max(wireLimits.checkpointGrantsMax).optional() }),
  ofKind('inclusion', { leaf: text(400), proof }),
  ofKind('grant', { grant: jws, charter: jws, feed: feedUrls.optional() }),
  ofKind('accepted', { run: sha256, job: cid }),
  /** Bytes that are there; `total` is what the tree states, once its root is there. */
  ofKind('bringing', { bytes: count, total: count.optional() }),
  ofKind('brought', { tree: cid }),
  ofKind('cancelled', { run: sha256 }),
  ofKind('acknowledged', { run: sha256 }),
  ofKind('revoked', { index: count }),
  ofKind('jobs', {
    /** Null for one that does not decode: it hides no others. */
    jobs: z.array(runSummarySchema.nullable().catch(null)).max(10_000),
    /** Evidence against the log, in words. */
    equivocations: z.array(says).max(limits.equivocationsMax).optional(),
    /** Keys that have signed as many revocations as one may. */
    full: z.array(peerId).max(wireLimits.fullKeysMax).optional(),
  }),
  ofKind('job', {
    summary: runSummarySchema,
    history: z.array(z.object(timed).catch(unread)).max(wireLimits.historyMax),
    /** The jobs that it rests on, that rest on it, and that these are connected with, itself among them. */
    pipeline: z.array(pipelineJobSchema.nullable().catch(null)).max(limits.pipelineJobsMax),
  }),
  ofKind('progress', timed),
  ofKind('output', {
    worker: peerId,
    operator: name,
    slot: text(20),
    text: z.string().max(limits.documentBytesMax),
    times: z.string().max(limits.logTimesCharsMax).optional(),
  }),
  ofKind('end', {}),
  error,
]);
export type ApiDown = z.infer<typeof apiDownSchema>;

export const idpUpSchema = z.discriminatedUnion('kind', [
  /** The charter that the sender knows. Of a controller also where it is, for tickets. Answered with the newer one of both. */
  ofKind('charter', { charter: jws, addrs: z.array(multiaddr).max(wireLimits.controllerAddrsMax) }),
  /** A grant for the signer of `enrol`, first enrolled at this index of the log. `epoch`: of the charter that the sender goes by. */
  ofKind('grant', {
    enrol: jws,
    invite: jws.optional(),
    possession: jws.optional(),
    enrolled: count,
    /** With an invite: the size of the log when the key joined. */
    at: count.optional(),
    epoch: count,
  }),
]);
export type IdpUp = z.infer<typeof idpUpSchema>;
export const idpDownSchema = z.discriminatedUnion('kind', [
  ofKind('charter', { charter: jws }),
  ofKind('grant', { grant: jws }),
  error,
]);
export type IdpDown = z.infer<typeof idpDownSchema>;

/** Answered with the bundle's text in one frame, or an error. */
export const bundleUpSchema = z.object({ which: text(120) });
export type BundleUp = z.infer<typeof bundleUpSchema>;
export const bundleDownSchema = z.discriminatedUnion('kind', [
  ofKind('bundle', { bundle: z.string().max(limits.bundleBytesMax), addrs: z.array(multiaddr).max(64) }),
  error,
]);

/** Asks a store to keep a tree of at most so many bytes, which these peers have. */
export const pinUpSchema = ofKind('pin', {
  run: sha256,
  tree: cid,
  maxBytes: count,
  from: z
    .array(z.object({ id: peerId, addrs: z.array(multiaddr).max(wireLimits.pinAddrsMax) }))
    .max(wireLimits.pinFromMax),
});
export type PinUp = z.infer<typeof pinUpSchema>;
export const pinDownSchema = z.discriminatedUnion('kind', [
  /** Every few seconds, while the tree is being fetched. */
  ofKind('pinning', {}),
  /** All of it is there, and stays until `until` at least, in seconds since the epoch. */
  ofKind('pinned', { tree: cid, until: count }),
  error,
]);

export const revocationsUpSchema = z.discriminatedUnion('kind', [
  /** Those that follow one, by its id; or these, also where their key was revoked by the root. */
  ofKind('ask', {
    after: sha256.optional(),
    ids: z.array(sha256).max(wireLimits.revocationIdsMax).optional(),
  }),
  /** The newest checkpoint that is known there. */
  ofKind('checkpoint', {}),
  /** From a controller at its start: what this member holds of it, and the leaves from an index on that a trusted worker kept. */
  ofKind('held', {}),
  ofKind('leaves', { from: count }),
]);
const held = z.object({ lease: jws, ack: jws.optional(), offer: jws.optional() });
export const revocationsDownSchema = z.discriminatedUnion('kind', [
  revocationListSchema.extend({ kind: z.literal('revocations') }),
  ofKind('checkpoint', { note: note.nullable(), equivocations }),
  /** The charter that it has, and its leases, each with its ack and its offer where these are known. */
  ofKind('held', { charter: jws, leases: z.array(held).max(wireLimits.leasesHeldMax) }),
  ofKind('leaves', { leaves: z.array(text(400)).max(limits.leavesPerMessageMax) }),
  error,
]);

/** JSON of a message. Messages are ours; what they frame is canonical by itself. */
export function encodeMessage(message: unknown): Uint8Array {
  return toUtf8(JSON.stringify(message));
}

/** Size is bounded by the frame; then depth, then syntax, then the schema. Throws `WIRE_INVALID`. */
export function decodeMessage<T>(bytes: Uint8Array, schema: z.ZodType<T>, what: string): T {
  const { depth, isDense } = survey(bytes);
  if (depth > wireLimits.jsonDepthMax)
    throw new QuorateError('WIRE_INVALID', `${what} is nested deeper than ${wireLimits.jsonDepthMax}`);
  if (isDense)
    throw new QuorateError('WIRE_INVALID', `${what} has more values than a message of its size may have`);
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(bytes));
  } catch (cause) {
    throw new QuorateError('WIRE_INVALID', `${what} is not JSON`, { cause });
  }
  const result = schema.safeParse(value, upToFirstFault);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue?.path.map(String).join('.').slice(0, 200) || 'its root';
  throw new QuorateError('WIRE_INVALID', `${what} is not valid at ${where}: ${reasonOf(issue?.message)}`);
}
