import { z } from 'zod';
import { cid, count, name, nonce, peerId, policySchema, seconds, sha256, text } from './base.ts';
import { lasting, signed } from './growth.ts';
import { fenceSchema, type Job } from './job.ts';
import { documentLimits } from './limits.ts';

const needsSchema = z.strictObject({
  arch: z.enum(['x86_64', 'aarch64']),
  cpus: count,
  memoryBytes: count,
  diskBytes: count,
  image: z.union([z.literal('host'), cid]),
});

/** Opens a round of a job to operators whose draw is below the share. Gossiped, and pulled as backlog. */
export const offerSchema = z.strictObject({
  ...signed,
  project: peerId,
  /** Epoch of the charter in force when the round opened; whoever knows an older one fetches it before it claims. */
  charter: count,
  request: sha256,
  job: cid,
  round: z.int().min(1).max(documentLimits.roundsMax),
  policy: policySchema,
  /** `sha256(seed ‖ operator)` as a fraction must be below the share, which starts at `share` / 2^32 and doubles every `widenMs`. */
  draw: z.strictObject({
    seed: nonce,
    share: z
      .int()
      .min(1)
      .max(2 ** 32),
    widenMs: z.int().min(1).max(3_600_000),
  }),
  /** Operators enrolled at this log index or later may not claim. */
  index: count,
  needs: needsSchema,
  ...lasting,
});
export type Offer = z.infer<typeof offerSchema>;

/** The resources a job needs, as its offers state them. */
export function needsOf({ arch, image, limits: { cpus, memoryBytes, diskBytes } }: Job): Offer['needs'] {
  return { arch, image, cpus, memoryBytes, diskBytes };
}

export const capabilitiesSchema = z.strictObject({
  arch: z.enum(['x86_64', 'aarch64']),
  cpus: z.int().min(1).max(4096),
  memoryBytes: count,
  diskBytes: count,
  tiers: z
    .array(z.enum(['namespace', 'gvisor', 'vm-emulated', 'vm']))
    .min(1)
    .max(4),
});
export type Capabilities = z.infer<typeof capabilitiesSchema>;

/** A worker's answer to an offer: it wants a slot, or it passes with a reason so that the claim window can close. */
export const claimSchema = z.strictObject({
  ...signed,
  aud: peerId,
  offer: sha256,
  pass: text(200).optional(),
  capabilities: capabilitiesSchema,
  jti: nonce,
  ...lasting,
});
export type Claim = z.infer<typeof claimSchema>;

export const slotSchema = z.union([
  z
    .int()
    .min(0)
    .max(documentLimits.slotsMax - 1),
  z.literal('trusted'),
]);
/** One of the M slots of a round by its number, or the trusted worker's, which stands beside them. */
export type Slot = z.infer<typeof slotSchema>;

export function isTrustedSlot(slot: Slot): slot is 'trusted' {
  return slot === 'trusted';
}

/** The right to build one slot until the deadline; a receipt must carry this fence. */
export const leaseSchema = z.strictObject({
  ...signed,
  aud: peerId,
  project: peerId,
  claim: sha256,
  offer: sha256,
  job: cid,
  round: z.int().min(1).max(documentLimits.roundsMax),
  operator: name,
  slot: slotSchema,
  fence: fenceSchema,
  iat: seconds,
  /** The deadline for the receipt. */
  exp: seconds,
});
export type Lease = z.infer<typeof leaseSchema>;

/** The controller has the receipt on disk and promises its log index. */
export const ackSchema = z.strictObject({
  ...signed,
  aud: peerId,
  lease: sha256,
  receipt: sha256,
  index: count,
  iat: seconds,
});
export type Ack = z.infer<typeof ackSchema>;
