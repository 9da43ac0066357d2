import { z } from 'zod';
import { runStates } from '../../protocol/account/index.ts';
import {
  cid,
  commitId,
  count,
  peerId,
  policySchema,
  roleSchema,
  sha256,
  text,
} from '../../protocol/documents/base.ts';
import { recipeSchema } from '../../protocol/documents/recipe.ts';
import { slotSchema } from '../../protocol/documents/round.ts';
import { outcomeSchema } from '../../protocol/documents/statement.ts';

/** Parts that several outputs have. Times are ms since 1970, sizes bytes. */
export const timeMs = z.number().min(0);
export const size = z.int().min(0);
export const code = z.string().regex(/^[A-Z][A-Z0-9_]{1,60}$/);
export const level = z.enum(['none', 'provisional', 'agreed', 'trusted', 'failed']);
/** How a run stands, why, and what can be done. */
export const accountFields = {
  state: z.enum(runStates),
  reason: z.string(),
  next: z.array(z.strictObject({ says: z.string(), command: z.string().optional() })),
  over: z.boolean(),
  alarm: z.boolean(),
};
export const tier = z.enum(['vm', 'vm-emulated', 'gvisor', 'namespace']);
export const texts = z.array(z.string());
export const urls = z.array(z.url());
export const id = z.string().min(1);

/** The last line of any command that fails. */
export const failure = z.strictObject({
  error: z.strictObject({ code, message: z.string(), hint: z.string().optional() }),
});

export const event = <Name extends string, Fields extends z.core.$ZodLooseShape>(
  name: Name,
  fields: Fields,
) => z.strictObject({ event: z.literal(name), ...fields });

const transfer = {
  bytes: size.optional(),
  total: size.nullable().optional(),
  bytesPerSecond: z.number().min(0).nullable().optional(),
};
export const progressEvent = event('progress', { says: z.string(), ...transfer });

const counted = z.strictObject({
  receipt: sha256,
  worker: peerId,
  operator: text(64),
  slot: slotSchema,
  round: z.int().min(1),
  index: count,
  outcome: outcomeSchema,
});

const facts = z.strictObject({
  name: z.string(),
  job: cid,
  kind: z.enum(['build', 'test']),
  request: sha256,
  index: count,
  repo: z.string(),
  ref: z.string(),
  commit: commitId,
  recipe: recipeSchema.nullable(),
  policy: policySchema,
  artifact: cid.nullable(),
  files: z.array(z.strictObject({ path: z.string(), sha256 })),
  operators: z.array(z.string()),
  dissent: z.array(counted),
  cosigners: z.array(peerId),
  inputs: z.record(z.string(), z.strictObject({ artifact: cid.nullable(), level })),
  earlier: sha256.nullable(),
  time: z.string(),
  requested: z.string(),
  publisher: z.string(),
  place: z.enum(['cosigned', 'witnessed', 'controller']),
  witnesses: z.strictObject({ operators: z.array(z.string()), named: z.array(z.string()) }),
  witnessed: z.string().nullable(),
});

export const verificationFields = {
  ok: z.boolean(),
  level,
  steps: z.array(
    z.strictObject({ step: z.string(), ok: z.boolean(), code: code.nullable(), says: z.string() }),
  ),
  code: code.nullable(),
  facts: facts.nullable(),
};
/** The result of `verify`: every step up to the first that failed. */
export const verification = z.strictObject(verificationFields);

export const floorText = z.strictObject({ floor: z.array(z.string()), testFloor: z.array(z.string()) });

export { cid, commitId, count, peerId, policySchema, roleSchema, sha256 };

/** A line of the log of a running node: a sentence, and what it is about by the kind of event. */
export const nodeEvent = z.looseObject({
  event: z.string(),
  at: timeMs.optional(),
  level: z.enum(['debug', 'info', 'warn', 'error']),
  says: z.string(),
});

/** Revocations signed by a key that ended; `leaf`: index in the log. */
export const ownRevocations = z.array(
  z.strictObject({
    id,
    what: z.strictObject({ kind: z.enum(['operator', 'key', 'job', 'image', 'artifact']), id: z.string() }),
    since: count,
    reason: z.string(),
    leaf: count.nullable(),
  }),
);
