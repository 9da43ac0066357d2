import { z } from 'zod';
import { limits } from '../base/limits.ts';
import { cid, count, name, peerId, seconds, sha256, text } from './base.ts';
import { signed } from './growth.ts';

const what = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('operator'), id: name }),
  z.strictObject({ kind: z.literal('key'), id: peerId }),
  z.strictObject({ kind: z.literal('job'), id: cid }),
  z.strictObject({ kind: z.literal('image'), id: cid }),
  z.strictObject({ kind: z.literal('artifact'), id: cid }),
]);

/** Voids what is signed, built or decided from log index `since` on. By an identity provider; by the root for keys of the charter. */
export const revocationSchema = z
  .strictObject({
    ...signed,
    v: z.union([z.literal(2), z.literal(3)]).optional(),
    project: peerId,
    what,
    since: count,
    /** Of a key, by the root: ids of its revocations that stay; all others by it count no more. */
    keeps: z.array(sha256).min(1).max(limits.revocationsMax).optional(),
    /** By the root, of a key that wrote the log: leaves of revocations that there are not. One that is shown all the same counts. */
    voidLeaves: z.array(sha256).min(1).max(limits.revocationsMax).optional(),
    reason: text(500).min(1),
    iat: seconds,
  })
  .refine(({ keeps, voidLeaves, v }) => v === (voidLeaves !== undefined ? 3 : keeps && 2), {
    message: 'version 2 says what is kept, version 3 which leaves are void',
    path: ['v'],
  })
  .refine(({ keeps, what: { kind } }) => keeps === undefined || kind === 'key', {
    message: 'only the end of a key keeps some',
    path: ['keeps'],
  })
  .refine(({ voidLeaves, what: { kind } }) => voidLeaves === undefined || kind === 'key', {
    message: 'only the end of a key voids leaves',
    path: ['voidLeaves'],
  });
export type Revocation = z.infer<typeof revocationSchema>;
export type RevocationTarget = Revocation['what'];
