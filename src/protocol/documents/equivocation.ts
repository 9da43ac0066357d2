import { z } from 'zod';
import { QuorateError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { toUtf8 } from '../base/text.ts';
import { count, sha256, text } from './base.ts';
import { canonicalText, decodeDocument } from './canonical.ts';

const jws = z.string().min(1).max(limits.equivocationCharsMax);
/** Signed note (C2SP tlog-checkpoint) by the log key. */
const checkpoint = z.string().min(1).max(8192);
/** A leaf under a checkpoint, with its inclusion proof. */
const entrySchema = z.strictObject({ checkpoint, leaf: text(400), path: z.array(sha256).max(64) });

/**
 * Evidence that a log tells two stories. Unsigned: its documents are. `roots`: two checkpoints of one size with different roots.
 * `ack`: an ack, and another leaf at the index that it promises. `leaves`: two leaves at one index.
 */
const equivocationSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    v: z.literal(1),
    kind: z.literal('roots'),
    /** Signed by the root key; it names the log key. */
    charter: jws,
    checkpoints: z.tuple([checkpoint, checkpoint]),
  }),
  z.strictObject({ v: z.literal(1), kind: z.literal('ack'), charter: jws, ack: jws, entry: entrySchema }),
  z.strictObject({
    v: z.literal(1),
    kind: z.literal('leaves'),
    charter: jws,
    index: count,
    entries: z.tuple([entrySchema, entrySchema]),
  }),
]);
export type EquivocationEvidence = z.infer<typeof equivocationSchema>;

export function encodeEquivocation(evidence: EquivocationEvidence): string {
  return canonicalText(evidence);
}

/** Errors: `DOC_…`. */
export function decodeEquivocation(raw: string): EquivocationEvidence {
  if (!raw.isWellFormed())
    throw new QuorateError('DOC_NOT_UTF8', 'the evidence is not text that UTF-8 can hold');
  return decodeDocument('equivocation', toUtf8(raw), equivocationSchema, limits.equivocationCharsMax);
}
