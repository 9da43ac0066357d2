import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { QuorateError } from '../protocol/base/errors.ts';
import { forgeLimits } from './limits.ts';
import type { ForgeKind } from './types.ts';

export interface WebhookParts {
  kind: ForgeKind;
  secret: string;
  header(name: string): string | undefined;
  body: Uint8Array;
  /** Milliseconds since the epoch. */
  now: number;
}

/** A webhook that is of the forge. Nothing else in it is used: what has changed is asked for. */
interface Webhook {
  delivery: string;
  /** sha256 of all that is signed, in hexadecimal. */
  digest: string;
}

interface Scheme {
  /** Headers with the HMAC-SHA-256 of the body in hexadecimal; the first that is there counts. */
  signature?: string[];
  /** Before the HMAC. Default: ''. */
  prefix?: string;
  token?: string;
  delivery?: string;
}

/**
 * How each forge signs. GitLab sends the secret itself instead of a signature; Pagure names a delivery and its time in the body.
 * Sources: "Validating webhook deliveries" (GitHub), "Webhooks" (Forgejo, Gitea, GitLab), `pagure/lib/tasks_services.py` (Pagure 5.14).
 */
const schemes: Record<ForgeKind, Scheme> = {
  forgejo: { signature: ['x-forgejo-signature', 'x-gitea-signature'], delivery: 'x-gitea-delivery' },
  gitea: { signature: ['x-gitea-signature'], delivery: 'x-gitea-delivery' },
  github: { signature: ['x-hub-signature-256'], prefix: 'sha256=', delivery: 'x-github-delivery' },
  gitlab: { token: 'x-gitlab-token', delivery: 'x-gitlab-event-uuid' },
  pagure: { signature: ['x-pagure-signature-256'] },
};

/** Checks the secret, and that the signed time is now; not whether it is a replay. @throws WEBHOOK_FORGED, WEBHOOK_INVALID, WEBHOOK_REPLAYED */
export function checkWebhook(parts: WebhookParts): Webhook {
  const { kind, body } = parts;
  const scheme = schemes[kind];
  const isOurs = scheme.token === undefined ? isSigned(parts, scheme) : isToken(parts, scheme.token);
  if (!isOurs)
    throw new QuorateError('WEBHOOK_FORGED', 'the signature of the webhook is not that of the secret', {
      hint: 'Check that the forge and the file with the secret have the same one.',
    });
  const digest = createHash('sha256').update(body).digest('hex');
  const delivery = scheme.delivery === undefined ? inBody(parts) : parts.header(scheme.delivery);
  if (delivery === undefined || !/^[\w-]{8,100}$/.test(delivery))
    throw new QuorateError('WEBHOOK_INVALID', 'the webhook has no id of its delivery', {
      hint: 'Check "kind" of [forge] in watch.toml.',
    });
  return { delivery, digest };
}

function isSigned({ secret, header, body }: WebhookParts, { signature = [], prefix = '' }: Scheme): boolean {
  const given = signature.map((name) => header(name)).find((value) => value !== undefined);
  const wanted = `${prefix}${createHmac('sha256', secret).update(body).digest('hex')}`;
  return given !== undefined && isEqual(given, wanted);
}

const isToken = ({ secret, header }: WebhookParts, name: string): boolean =>
  isEqual(header(name) ?? '', secret);

/** In a time that tells nothing of where they differ, or how long the secret is. */
function isEqual(given: string, wanted: string): boolean {
  const [a, b] = [given, wanted].map((text) => createHash('sha256').update(text).digest());
  return a !== undefined && b !== undefined && timingSafeEqual(a, b);
}

/** Pagure signs the id and the time with the body. */
function inBody({ body, now }: WebhookParts): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !('msg_id' in value) || !('timestamp' in value))
    return undefined;
  const { msg_id: id, timestamp } = value;
  if (typeof id !== 'string' || typeof timestamp !== 'number') return undefined;
  if (!(Math.abs(now - timestamp * 1000) <= forgeLimits.webhookAgeMsMax))
    throw new QuorateError('WEBHOOK_REPLAYED', 'the webhook was not made in the last minutes', {
      hint: 'Check the clocks of the forge and of this host.',
    });
  return id;
}
