import { z } from 'zod';
import { limits } from '../limits.ts';
import { count, multiaddr, name, nonce, peerId, policySchema, roleSchema, seconds, text } from './base.ts';

/** Who runs a project, signed by its root key. A consumer pins `project`, the root's PeerId. */
const charterFields = z.strictObject({
  iss: peerId,
  project: peerId,
  name,
  /** Only grows; of two charters the higher epoch counts. */
  epoch: count,
  controllers: z.array(peerId).min(1).max(8),
  trusted: z.array(peerId).max(16),
  idps: z.array(peerId).min(1).max(8),
  /** The key that signs checkpoints of the transparency log. */
  log: peerId,
  /** `host` or `host:port` a job may name as its version control server; empty allows any. */
  vcs: z.array(text(200)).max(64),
  /** Requests may only tighten this. */
  floor: policySchema,
  bootstrap: z.array(multiaddr).max(16),
  iat: seconds,
});

/** A trusted worker checks the others: no key of theirs may be its own. */
export const charterSchema = charterFields.refine(
  ({ trusted, controllers, idps, log }) =>
    !trusted.some((key) => key === log || controllers.includes(key) || idps.includes(key)),
  {
    message: 'a trusted worker has a key that a controller, identity provider or log has too',
    path: ['trusted'],
  },
);
export type Charter = z.infer<typeof charterSchema>;

/** A ticket for one operator. Whoever holds it may enrol up to `hosts` keys as that operator until `exp`. */
export const inviteSchema = z.strictObject({
  iss: peerId,
  project: peerId,
  operator: name,
  role: roleSchema,
  hosts: z.int().min(1).max(1000),
  /** Bound to one key: required for a trusted worker, whose key the charter names. */
  key: peerId.optional(),
  addrs: z.array(multiaddr).max(16),
  jti: nonce,
  iat: seconds,
  exp: seconds,
});
export type Invite = z.infer<typeof inviteSchema>;

/** States that `sub` is a key of `operator` in `role`, enrolled at that log index; signed by the IDP, valid for at most 24 h. */
export const grantSchema = z
  .strictObject({
    iss: peerId,
    sub: peerId,
    project: peerId,
    operator: name,
    role: roleSchema,
    enrolled: count,
    jti: nonce,
    iat: seconds,
    exp: seconds,
  })
  .refine((g) => g.exp > g.iat && g.exp - g.iat <= limits.grantSecondsMax, 'a grant lasts at most 24 hours');
export type Grant = z.infer<typeof grantSchema>;

/** What a node signs to enrol or to renew: proves it holds `iss`, for this IDP and this project. */
export const enrolSchema = z.strictObject({
  iss: peerId,
  aud: peerId,
  project: peerId,
  invite: text(64).optional(),
  jti: nonce,
  iat: seconds,
  exp: seconds,
});
export type Enrol = z.infer<typeof enrolSchema>;
