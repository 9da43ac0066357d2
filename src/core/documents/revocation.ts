import { z } from 'zod';
import { cid, count, name, peerId, seconds, text } from './base.ts';
import { growth } from './growth.ts';

const what = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('operator'), id: name }),
  z.strictObject({ kind: z.literal('key'), id: peerId }),
  z.strictObject({ kind: z.literal('job'), id: cid }),
  z.strictObject({ kind: z.literal('image'), id: cid }),
  z.strictObject({ kind: z.literal('artifact'), id: cid }),
]);

/**
 * Takes trust back: what is signed, built or decided from log index `since` on counts no more. Signed by an identity
 * provider of the charter; by the root for keys that the charter names.
 */
export const revocationSchema = z.strictObject({
  ...growth,
  iss: peerId,
  project: peerId,
  what,
  since: count,
  reason: text(500).min(1),
  iat: seconds,
});
export type Revocation = z.infer<typeof revocationSchema>;
export type RevocationTarget = Revocation['what'];
