import { z } from 'zod';
import type { Progress } from '../../core/controller/events.ts';
import {
  accountFields,
  cid,
  code,
  commitId,
  count,
  event,
  id,
  level,
  peerId,
  progressEvent,
  recipeSchema,
  sha256,
  size,
  slotSchema,
  timeMs,
  verdictLevel,
} from './parts.ts';

const kind = <Name extends Progress['kind'], Fields extends z.core.$ZodLooseShape>(
  name: Name,
  fields: Fields,
) => z.strictObject({ kind: z.literal(name), ...fields });
const at = { round: z.int().min(1), slot: slotSchema, worker: peerId, operator: z.string() };
const result = z.strictObject({
  ...{ worker: peerId, operator: z.string(), slot: slotSchema, result: z.string() },
  ...{ reports: cid.optional(), log: cid.nullable() },
});
export const compared = z.strictObject({
  ...{ ...at, result: z.string(), reports: cid.optional(), log: cid.nullable(), tier: z.string() },
  ...{ kernel: z.string().optional(), processor: z.string().optional() },
});
const needed = z.strictObject({ request: sha256, level: z.string(), gate: z.literal(true).optional() });
const says = z.string();
const artifact = cid.nullable();

/** Progress of a run, by kind. docs/run-events.md says what each means. */
const kinds = [
  kind('accepted', {
    ...{ job: cid, name: z.string(), test: z.literal(true).optional(), repo: z.string(), ref: z.string() },
    ...{ commit: commitId, recipe: recipeSchema.optional() },
  }),
  kind('waiting', { needs: z.record(z.string(), needed) }),
  kind('inputs', { job: cid, inputs: z.record(z.string(), cid) }),
  kind('answered', { earlier: sha256, ref: z.string(), decidedAt: timeMs }),
  kind('answer-failed', { earlier: sha256, artifact: cid, detail: says }),
  kind('repeated', { earlier: sha256, decidedAt: timeMs, same: z.boolean(), artifact, before: artifact }),
  kind('input-lost', { input: z.string(), artifact, reason: says }),
  kind('reopened', { reason: says }),
  kind('round', {
    ...{
      round: z.int().min(1),
      offer: sha256,
      agree: z.int().min(1),
      of: z.int().min(1),
      cosign: z.boolean(),
    },
  }),
  kind('leased', at),
  kind('passed', { round: at.round, operator: at.operator, worker: at.worker, reason: says }),
  kind('delivered', at),
  kind('lost', { ...at, reason: says }),
  kind('unfilled', { round: at.round, slots: count }),
  kind('revealed', { round: at.round, results: z.array(result) }),
  kind('differs', { round: at.round, files: z.array(z.string()), count }),
  kind('compared', { results: z.array(compared), files: z.array(z.string()), count }),
  kind('agreed', { round: at.round, artifact, by: z.array(z.string()) }),
  kind('failed', { round: at.round, by: z.array(z.string()) }),
  kind('acknowledged', { by: z.string() }),
  kind('unconfirmed', { round: at.round, says }),
  kind('contradicted', { round: at.round, artifact, trusted: artifact }),
  kind('cosigning', { worker: peerId }),
  kind('cosign-delayed', { worker: peerId, code, message: says }),
  kind('cosign-refused', { worker: peerId, code, message: says }),
  kind('witnessing', { operators: count, named: count }),
  kind('unwitnessed', {
    ...{ operators: z.array(z.string()), operatorsNeeded: count, named: z.array(z.string()) },
    ...{ namedNeeded: count, namedMissing: z.array(z.string()) },
  }),
  kind('pin-failed', { artifact: cid, detail: says }),
  kind('cancelled', { reason: says }),
  kind('verdict', {
    ...{ level: verdictLevel, artifact, reports: cid.optional(), cosigned: z.literal(false).optional() },
    reason: z.string().optional(),
  }),
  kind('revoked', { artifact, what: z.string(), id, since: count, reason: says }),
] as const;

export const progress = z.discriminatedUnion('kind', kinds);

/** As a line of `run`: `event` is the kind; `name` and `run` where several jobs are followed. */
const lines = kinds.map((one) =>
  one.extend({
    ...{ event: one.shape.kind, at: timeMs, name: z.string().optional(), run: sha256.optional() },
    // With a verdict, and what else may be the end of a run.
    account: z.strictObject(accountFields).optional(),
  }),
);

export const logChunk = {
  ...{ worker: peerId, operator: z.string(), slot: z.string(), text: z.string() },
};

const skipReason = z.discriminatedUnion('kind', [
  kindOfSkip('ref', { ref: z.string(), patterns: z.array(z.string()) }),
  kindOfSkip('changed', { base: z.string(), patterns: z.array(z.string()) }),
  kindOfSkip('needs', { job: z.string() }),
]);
function kindOfSkip<Name extends string, Fields extends z.core.$ZodLooseShape>(name: Name, fields: Fields) {
  return z.strictObject({ kind: z.literal(name), ...fields });
}
export const skipped = z.strictObject({
  job: z.string(),
  instances: z.array(z.string()),
  reason: skipReason,
});

const needs = z.array(z.strictObject({ name: z.string(), level }));

/** Every line of `quorate run`. */
export const runLine = z.union([
  ...lines,
  event('skipped', skipped.shape),
  event('dependencies', { files: count, fetchedBytes: size }),
  progressEvent,
  event('waiting', { code, says }),
  event('submitted', { name: z.string(), run: sha256, job: cid, commit: commitId, needs }),
  event('kept', { name: z.string(), run: sha256 }),
  event('account', { name: z.string().optional(), run: sha256, ...accountFields }),
  event('output', logChunk),
]);
