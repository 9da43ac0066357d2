import { z } from 'zod';
import { comparedSchema, progressKinds } from '../../protocol/wire/progress.ts';
import {
  accountFields,
  cid,
  code,
  commitId,
  count,
  event,
  level,
  peerId,
  progressEvent,
  sha256,
  size,
  timeMs,
} from './parts.ts';

/** Progress of a run, by kind. docs/run-events.md says what each means. */
const kinds = progressKinds.map((one) => one.strict());

export const compared = comparedSchema.strict();
export const progress = z.union(kinds);

/** As a line of `run`: `event` is the kind; `name` and `run` where several jobs are followed. */
const lines = kinds.map((one) =>
  one.extend({
    ...{ event: one.shape.kind, at: timeMs, name: z.string().optional(), run: sha256.optional() },
    // With `verdict`, `cancelled` and `revoked`.
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
  event('waiting', { code, says: z.string() }),
  event('submitted', { name: z.string(), run: sha256, job: cid, commit: commitId, needs }),
  event('kept', { name: z.string(), run: sha256 }),
  event('account', { name: z.string().optional(), run: sha256, ...accountFields }),
  event('output', logChunk),
]);
