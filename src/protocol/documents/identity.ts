import { z } from 'zod';
import { limits } from '../base/limits.ts';
import { count, multiaddr, name, nonce, peerId, policySchema, roleSchema, seconds, text } from './base.ts';
import { lasting, lastsAtMost, signed } from './growth.ts';
import { documentLimits } from './limits.ts';
import { noteKinds, parseNoteKey } from './vkey.ts';

/** The keys that run a project, signed by its root key. A consumer pins `project`, the root's PeerId. */
const charterFields = z.strictObject({
  ...signed,
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
  /** Whether job files of other repositories than the source are allowed. Absent: only its own `quorate.yaml`. */
  recipes: z.literal('outside').optional(),
  /** Requests may only tighten this. */
  floor: policySchema,
  /** The same for jobs of `kind: test`; without it they are held to `floor`. */
  testFloor: policySchema.optional(),
  bootstrap: z.array(multiaddr).max(16),
  /** Witnesses of others: `need` of them have to have signed the log where no co-signature is required. */
  witnesses: z
    .strictObject({
      need: z.int().min(1).max(documentLimits.charterWitnessesMax),
      /** Verifier keys of C2SP signed-note, of the kind cosignature/v1. */
      keys: z
        .array(z.string().max(documentLimits.noteKeyCharsMax).refine(isWitnessKey, 'not a witness key'))
        .min(1)
        .max(documentLimits.charterWitnessesMax),
    })
    .refine(({ need, keys }) => need <= keys.length, { message: 'needs more than it names', path: ['need'] })
    .refine(({ keys }) => new Set(keys.map(nameOfNoteKey)).size === keys.length, 'a witness is named twice')
    .refine(({ keys }) => new Set(keys.map(ownerOfNoteKey)).size === keys.length, 'a key has two names')
    .optional(),
  iat: seconds,
});

function isWitnessKey(text: string): boolean {
  try {
    return parseNoteKey(text).kind === noteKinds.cosignature;
  } catch {
    return false;
  }
}

const nameOfNoteKey = (text: string): string => text.slice(0, text.indexOf('+'));
/** PeerId of a witness's key; the text itself where that is none, which is refused for it. */
const ownerOfNoteKey = (text: string): string => (isWitnessKey(text) ? parseNoteKey(text).id : text);

type RunningKeys = Pick<z.infer<typeof charterFields>, 'controllers' | 'idps' | 'log'>;

/** Whether a key is one of those that trusted workers and witnesses are there to check. */
export function runsProject({ controllers, idps, log }: RunningKeys, key: string): boolean {
  return key === log || controllers.includes(key) || idps.includes(key);
}

/** A trusted worker and a witness check the others: no key of theirs may be its own. */
export const charterSchema = charterFields
  .refine((charter) => !charter.trusted.some((key) => runsProject(charter, key)), {
    message: 'a trusted worker has a key that a controller, identity provider or log has too',
    path: ['trusted'],
  })
  .refine((charter) => !charter.witnesses?.keys.some((key) => runsProject(charter, ownerOfNoteKey(key))), {
    message: 'a witness has a key that a controller, identity provider or log has too',
    path: ['witnesses', 'keys'],
  });
export type Charter = z.infer<typeof charterSchema>;

/** A ticket for one operator. Whoever holds it may enrol up to `hosts` keys as that operator until `exp`. */
export const inviteSchema = z.strictObject({
  ...signed,
  project: peerId,
  operator: name,
  role: roleSchema,
  hosts: z.int().min(1).max(1000),
  /** Bound to one key: required for a trusted worker, whose key the charter names. */
  key: peerId.optional(),
  /** A key whose private half is in the ticket only: whoever joins shows a `possession` signed by it. */
  holder: peerId.optional(),
  addrs: z.array(multiaddr).max(16),
  jti: nonce,
  ...lasting,
});
export type Invite = z.infer<typeof inviteSchema>;

/** States that `sub` is a key of `operator` in `role`, enrolled at that log index; signed by the IDP, valid for at most 24 h. */
export const grantSchema = z
  .strictObject({
    ...signed,
    sub: peerId,
    project: peerId,
    operator: name,
    role: roleSchema,
    enrolled: count,
    jti: nonce,
    ...lasting,
  })
  .refine(lastsAtMost(limits.grantSecondsMax), 'a grant lasts at most 24 hours');
export type Grant = z.infer<typeof grantSchema>;

/** Signed by a node to enrol or to renew: proves it holds `iss`, for this IDP and this project. */
export const enrolSchema = z.strictObject({
  ...signed,
  aud: peerId,
  project: peerId,
  invite: text(64).optional(),
  jti: nonce,
  ...lasting,
});
export type Enrol = z.infer<typeof enrolSchema>;

/** Signed by the key in a ticket: `sub` joins with it. A controller that passes an invite on cannot join with it. */
export const possessionSchema = z.strictObject({
  ...signed,
  project: peerId,
  /** `jti` of the invite. */
  invite: nonce,
  sub: peerId,
  ...lasting,
});
export type Possession = z.infer<typeof possessionSchema>;

/** Scheme, host and port of a web service, as `new URL(…).origin` has it. */
const origin = text(300).regex(/^https?:\/\/[^/?#@\s\\]+$/, 'not an origin such as https://ci.example.org');

/** Signed by a key to sign in at a web service: it holds `iss`, answers `challenge`, and means `aud` alone. */
export const signInSchema = z
  .strictObject({
    ...signed,
    aud: origin,
    project: peerId,
    /** Chosen by the service a moment ago. */
    challenge: text(200),
    ...lasting,
  })
  .refine(lastsAtMost(limits.signInSecondsMax), `a sign-in lasts at most ${limits.signInSecondsMax} s`);
export type SignIn = z.infer<typeof signInSchema>;

/** States that a person is signed in at the identity provider, in a role; for one web service, and for minutes. */
export const sessionSchema = z
  .strictObject({
    ...signed,
    aud: origin,
    project: peerId,
    /** The person: a PeerId, or issuer and subject of OpenID Connect as `https://issuer#subject`. */
    sub: text(600),
    /** How people call the person; nothing is decided by it. */
    name: text(200),
    role: z.enum(['publisher', 'reader']),
    jti: nonce,
    ...lasting,
  })
  .refine(
    lastsAtMost(limits.sessionSecondsMax),
    `a session document lasts at most ${limits.sessionSecondsMax} s`,
  );
export type Session = z.infer<typeof sessionSchema>;
