import { z } from 'zod';
import { cid, commitId, count, milliseconds, name, peerId, sha256, text } from '../documents/base.ts';
import { upToFirstFault } from '../documents/canonical.ts';
import { recipeSchema } from '../documents/recipe.ts';
import { slotSchema } from '../documents/round.ts';
import { verdictLevelSchema } from '../documents/statement.ts';
import { wireLimits } from './limits.ts';
import { toldPolicySchema } from './runs.ts';

const words = z.string().max(wireLimits.progressCharsMax);
const list = <Item extends z.ZodType>(item: Item) => z.array(item).max(wireLimits.progressItemsMax);
const codeSchema = z.string().regex(/^[A-Z][A-Z0-9_]{1,60}$/);
/** A message or progress of one kind. */
export const ofKind = <Name extends string, Fields extends z.core.$ZodLooseShape>(
  kind: Name,
  fields: Fields,
) => z.object({ kind: z.literal(kind), ...fields });
/** `name`: an operator's has no space, which each label has that stands where operators do. */
const at = { round: z.int().min(1), slot: slotSchema, worker: peerId, operator: name };
const result = z.object({
  worker: peerId,
  operator: name,
  slot: slotSchema,
  result: words,
  reports: cid.optional(),
  log: cid.nullable(),
});
/** A build and its result, with what the receipt says of where it ran. */
export const comparedSchema = z.object({
  ...at,
  result: words,
  reports: cid.optional(),
  log: cid.nullable(),
  tier: words,
  kernel: words.optional(),
  processor: words.optional(),
});
const needed = z.object({ request: sha256, level: words, gate: z.literal(true).optional() });
const artifact = cid.nullable();

/** Progress of a run for its followers (docs/run-events.md). No result of a sealed round; unknown members are ignored. */
export const progressKinds = [
  ofKind('accepted', {
    job: cid,
    name: words,
    test: z.literal(true).optional(),
    repo: words,
    ref: words,
    commit: commitId,
    recipe: recipeSchema.strip().optional(),
  }),
  ofKind('waiting', { needs: z.record(words, needed) }),
  ofKind('inputs', { job: cid, inputs: z.record(words, cid) }),
  ofKind('answered', { earlier: sha256, ref: words, decidedAt: milliseconds }),
  ofKind('answer-failed', { earlier: sha256, artifact: cid, detail: words }),
  ofKind('answer-cosigning', { earlier: sha256 }),
  ofKind('answer-refused', { worker: peerId, code: codeSchema, message: words }),
  ofKind('repeated', {
    earlier: sha256,
    decidedAt: milliseconds,
    same: z.boolean(),
    artifact,
    before: artifact,
    later: z.literal(true).optional(),
    revoked: z.literal(true).optional(),
  }),
  ofKind('input-lost', { input: words, artifact, reason: words }),
  ofKind('reopened', { reason: words }),
  ofKind('round', { round: z.int().min(1), offer: sha256, ...toldPolicySchema.shape }),
  ofKind('leased', at),
  ofKind('passed', { round: at.round, operator: at.operator, worker: at.worker, reason: words }),
  ofKind('delivered', at),
  ofKind('lost', { ...at, reason: words }),
  ofKind('unfilled', { round: at.round, slots: count, absent: z.literal(true).optional() }),
  ofKind('revealed', { round: at.round, results: list(result) }),
  ofKind('differs', { round: at.round, files: list(words), count }),
  ofKind('compared', { results: list(comparedSchema), files: list(words), count }),
  ofKind('agreed', { round: at.round, artifact, by: list(name) }),
  ofKind('failed', { round: at.round, by: list(name) }),
  /** An operator, or an account as its provider names it. */
  ofKind('acknowledged', { by: words }),
  ofKind('unconfirmed', { round: at.round, says: words }),
  ofKind('contradicted', { round: at.round, artifact, trusted: artifact }),
  ofKind('cosigning', { worker: peerId }),
  ofKind('cosign-delayed', { worker: peerId, code: codeSchema, message: words }),
  ofKind('cosign-refused', { worker: peerId, code: codeSchema, message: words }),
  ofKind('witnessing', { operators: count, named: count }),
  ofKind('unwitnessed', {
    operators: list(name),
    operatorsNeeded: count,
    named: list(words),
    namedNeeded: count,
    namedMissing: list(words),
  }),
  ofKind('pin-failed', { artifact: cid, detail: words }),
  ofKind('cancelled', { reason: words }),
  ofKind('verdict', {
    level: verdictLevelSchema,
    artifact,
    reports: cid.optional(),
    cosigned: z.literal(false).optional(),
    reason: words.optional(),
    limit: words.optional(),
  }),
  ofKind('revoked', { artifact, what: words, id: words, since: count, reason: words }),
  ofKind('restored', { level: verdictLevelSchema, artifact, key: peerId }),
] as const;

export type Progress = z.infer<(typeof progressKinds)[number]>;
export type ComparedResult = z.infer<typeof comparedSchema>;

const known = new Map<string, (typeof progressKinds)[number]>(
  progressKinds.map((one) => [one.shape.kind.value, one]),
);

/** Null for a kind that this version does not know. */
export const progressSchema = z
  .looseObject({ kind: text(40) })
  .transform((value, context): Progress | null => {
    const result = known.get(value.kind)?.safeParse(value, upToFirstFault);
    if (result === undefined) return null;
    if (result.success) return result.data;
    // A record has one for each of its entries: all of them in a list would overflow the stack.
    for (const { path, message } of result.error.issues.slice(0, 1))
      context.addIssue({ code: 'custom', path: [...path], message });
    return z.NEVER;
  });
