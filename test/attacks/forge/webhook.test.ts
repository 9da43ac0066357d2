import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { checkWebhook, type ForgeKind, type WebhookParts } from '../../../src/forge/index.ts';
import { forgeLimits } from '../../../src/forge/limits.ts';

const secret = 'a secret';
const now = 1_800_000_000_000;
const body = Buffer.from(
  JSON.stringify({ msg_id: '2027-6f9a', timestamp: now / 1000, ref: 'refs/heads/main' }),
);
const hmac = (of: Uint8Array, key = secret, algorithm = 'sha256') =>
  createHmac(algorithm, key).update(of).digest('hex');

/** How each forge sends it, as it documents. */
const headersOf: Record<ForgeKind, (signature: string) => Record<string, string>> = {
  forgejo: (signature) => ({ 'x-forgejo-signature': signature, 'x-gitea-delivery': 'f6266f16-1bf3' }),
  gitea: (signature) => ({ 'x-gitea-signature': signature, 'x-gitea-delivery': 'f6266f16-1bf3' }),
  github: (signature) => ({
    'x-hub-signature-256': `sha256=${signature}`,
    'x-github-delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958',
  }),
  gitlab: () => ({ 'x-gitlab-token': secret, 'x-gitlab-event-uuid': '13792a34-cac6-4fda-95a8-c58e00a3954e' }),
  pagure: (signature) => ({ 'x-pagure-signature-256': signature }),
};

const parts = (kind: ForgeKind, headers: Record<string, string>, more: Partial<WebhookParts> = {}) => ({
  kind,
  secret,
  body,
  now,
  header: (name: string) => headers[name],
  ...more,
});

describe.each(Object.keys(headersOf) as ForgeKind[])('a webhook of %s', (kind) => {
  const headers = headersOf[kind](hmac(body));

  it('with its signature is taken', () => {
    expect(checkWebhook(parts(kind, headers))).toMatchObject({
      delivery: expect.any(String),
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it('is refused without a signature, with that of another secret or algorithm, cut, and with more after it', () => {
    const forged = [
      {},
      headersOf[kind](hmac(body, 'another')),
      headersOf[kind](hmac(body, secret, 'sha1')),
      headersOf[kind](hmac(body).slice(0, 32)),
      headersOf[kind](''),
      headersOf[kind](`${hmac(body)}00`),
    ];
    // GitLab sends the secret itself.
    const given = kind === 'gitlab' ? [{}, { ...headers, 'x-gitlab-token': 'a secre' }] : forged;
    for (const one of given)
      expect(() => checkWebhook(parts(kind, one))).toThrow(
        expect.objectContaining({ code: 'WEBHOOK_FORGED' }),
      );
  });

  // GitLab signs nothing.
  const signing = kind === 'gitlab' ? [] : [kind];
  it.each(signing)('of %s is refused when its body is another', () => {
    const other = Buffer.concat([body, Buffer.from(' ')]);
    expect(() => checkWebhook(parts(kind, headers, { body: other }))).toThrow(
      expect.objectContaining({ code: 'WEBHOOK_FORGED' }),
    );
  });

  // Pagure has the id in the body.
  const naming = kind === 'pagure' ? [] : [kind];
  it.each(naming)('of %s is refused without an id of its delivery', () => {
    const {
      'x-gitea-delivery': _,
      'x-github-delivery': __,
      'x-gitlab-event-uuid': ___,
      ...rest
    } = headers as Record<string, string>;
    expect(() => checkWebhook(parts(kind, rest))).toThrow(
      expect.objectContaining({ code: 'WEBHOOK_INVALID' }),
    );
  });
});

describe('the time that Pagure signs', () => {
  const headers = headersOf.pagure(hmac(body));

  it.each([forgeLimits.webhookAgeMsMax + 1, -forgeLimits.webhookAgeMsMax - 1])(
    '%i ms off is refused',
    (off) => {
      expect(() => checkWebhook(parts('pagure', headers, { now: now + off }))).toThrow(
        expect.objectContaining({ code: 'WEBHOOK_REPLAYED' }),
      );
    },
  );

  it.each([
    '{}',
    '[]',
    'null',
    'x',
    '{"msg_id":1,"timestamp":2}',
    '{"msg_id":"aaaaaaaaa","timestamp":"now"}',
  ])('is not in %s', (text) => {
    const bad = Buffer.from(text);
    expect(() => checkWebhook(parts('pagure', headersOf.pagure(hmac(bad)), { body: bad }))).toThrow(
      expect.objectContaining({ code: 'WEBHOOK_INVALID' }),
    );
  });
});
