import { z } from 'zod';
import { QuorateError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { toUtf8 } from '../base/text.ts';
import { count, sha256, text } from './base.ts';
import { canonicalText, decodeDocument } from './canonical.ts';
import { documentLimits, receiptsMax } from './limits.ts';

const jws = z.string().min(1).max(limits.documentBytesMax);
/** Signed note (C2SP tlog-checkpoint) by the log key. */
const checkpoint = z.string().min(1).max(8192);
const envelope = z.string().min(1).max(limits.receiptBytesMax);

/** One entry of the log with its inclusion proof (RFC 6962 §2.1.1, hashes in hexadecimal, leaf to root). */
const logEntrySchema = z.strictObject({ leaf: text(400), index: count, path: z.array(sha256).max(64) });
export type LogEntry = z.infer<typeof logEntrySchema>;

const bundledReceiptSchema = z.strictObject({ envelope, lease: jws, grant: jws });
export type BundledReceipt = z.infer<typeof bundledReceiptSchema>;

const ownFields = z.strictObject({
  v: z.literal(1),
  charter: jws,
  request: jws,
  publisher: jws,
  job: z.string().min(2).max(limits.jobBytesMax),
  /** Empty, as `receipts` is, where the verdict rests on those of an earlier request, whose bundle is among `inputs`. */
  offers: z.array(jws).max(documentLimits.roundsMax),
  receipts: z.array(bundledReceiptSchema).max(receiptsMax),
  verdict: envelope,
  /** With the lines of its witnesses: the trusted worker's where it co-signed. */
  checkpoint,
  /** Grants of those who witnessed the checkpoint and have no receipt here. */
  witnesses: z.array(jws).min(1).max(documentLimits.slotsMax).optional(),
  entries: z.array(logEntrySchema).min(1).max(2048),
});
/** A job that was built has rounds and receipts; one that was not has neither. */
const hasBothOrNeither = ({ offers, receipts }: Pick<z.infer<typeof ownFields>, 'offers' | 'receipts'>) =>
  (offers.length === 0) === (receipts.length === 0);
const rounds = 'has rounds without a receipt, or receipts without a round';

const ownBundleSchema = ownFields.refine(hasBothOrNeither, rounds);
/** A bundle without those of the artifacts that its job reads. */
export type OwnBundle = z.infer<typeof ownBundleSchema>;

/** The documents a consumer needs to verify an artifact offline, and the proofs that the log holds them. */
export const bundleSchema = ownFields
  .extend({
    /** Bundles of jobs that this one rests on, and of the earlier run that it reuses. Each once, in any order. */
    inputs: z.array(ownBundleSchema).min(1).max(limits.bundleInputsMax).optional(),
  })
  .refine(hasBothOrNeither, rounds);
export type Bundle = z.infer<typeof bundleSchema>;

const shortJws = z.string().min(1).max(limits.equivocationCharsMax);
/** A leaf under a checkpoint, with its inclusion proof. */
const entrySchema = z.strictObject({ checkpoint, leaf: text(400), path: z.array(sha256).max(64) });

/**
 * Evidence that a log tells two stories. `roots`: two roots at one size; `ack`: another leaf where an ack promised a receipt;
 * `leaves`: two leaves at one index. Unsigned: its documents are.
 */
const equivocationSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    v: z.literal(1),
    kind: z.literal('roots'),
    /** Signed by the root key; it names the log key. */
    charter: shortJws,
    checkpoints: z.tuple([checkpoint, checkpoint]),
  }),
  z.strictObject({
    v: z.literal(1),
    kind: z.literal('ack'),
    charter: shortJws,
    ack: shortJws,
    entry: entrySchema,
  }),
  z.strictObject({
    v: z.literal(1),
    kind: z.literal('leaves'),
    charter: shortJws,
    index: count,
    entries: z.tuple([entrySchema, entrySchema]),
  }),
]);
export type EquivocationEvidence = z.infer<typeof equivocationSchema>;

export const encodeBundle = (bundle: Bundle): string => canonicalText(bundle);
export const encodeEquivocation = (evidence: EquivocationEvidence): string => canonicalText(evidence);

/** @throws {QuorateError} `DOC_…` */
export const decodeBundle = (raw: string): Bundle =>
  decodeText('bundle', raw, bundleSchema, limits.bundleBytesMax);
export const decodeEquivocation = (raw: string): EquivocationEvidence =>
  decodeText('equivocation', raw, equivocationSchema, limits.equivocationCharsMax);

function decodeText<T>(kind: 'bundle' | 'equivocation', raw: string, schema: z.ZodType<T>, max: number): T {
  // A lone surrogate would become another character when encoded.
  if (!raw.isWellFormed()) {
    const what = kind === 'bundle' ? 'the bundle' : 'the evidence';
    throw new QuorateError('DOC_NOT_UTF8', `${what} is not text that UTF-8 can hold`);
  }
  return decodeDocument(kind, toUtf8(raw), schema, max);
}
