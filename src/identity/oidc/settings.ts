import { z } from 'zod';
import { amountSchema } from '../../protocol/base/amount-schema.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { parseSettings, type SettingsKind } from '../../protocol/base/settings-file.ts';
import { units } from '../../protocol/base/units.ts';
import { oidcLimits } from './limits.ts';

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** Whether an address may be used: TLS, or this host itself. */
export function isSafeUrl(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && loopback.test(url.hostname));
}

function urlOf(text: string): URL | undefined {
  const url = URL.parse(text);
  return url !== null && isSafeUrl(url) && url.username === '' && url.password === '' ? url : undefined;
}

const origin = z
  .string('expected an address such as "https://ci.example.org"')
  .max(300)
  .refine(
    (text) => urlOf(text)?.origin === text,
    'expected scheme, host and port only, such as "https://ci.example.org"; http is for loopback',
  );
const issuer = z
  .string('expected an address such as "https://login.example.org"')
  .max(300)
  .refine((text) => {
    const url = urlOf(text);
    return url !== undefined && url.search === '' && url.hash === '';
  }, 'expected an https address without query, as the provider spells it');
const line = z.string('expected a text').min(1, 'expected a text').max(oidcLimits.claimCharsMax);
const role = z.enum(['publisher', 'reader'], 'expected "publisher" or "reader"');
const time = amountSchema(units.time, {
  min: oidcLimits.sessionMsMin / 1000,
  max: oidcLimits.sessionMsMax / 1000,
}).transform((seconds) => seconds * 1000);

const ruleSchema = z
  .strictObject({
    claim: line,
    is: z.union([line, z.boolean()]).optional(),
    contains: line.optional(),
    role,
  })
  .refine(({ is, contains }) => (is === undefined) !== (contains === undefined), {
    message: 'expected one of "is" and "contains"',
    path: ['claim'],
  });

const fileSchema = z
  .strictObject({
    origin,
    provider: z
      .strictObject({
        issuer,
        'client-id': line,
        'client-secret-file': line.optional(),
        scopes: z.array(line).max(20).default(['profile', 'email']),
      })
      .optional(),
    idp: z.strictObject({ url: origin }).optional(),
    sessions: z.strictObject({ last: time.optional(), idle: time.optional() }).default({}),
    rules: z.array(ruleSchema).max(oidcLimits.entriesMax).default([]),
    services: z.array(origin).max(oidcLimits.entriesMax).default([]),
    revoked: z.array(z.string().min(1).max(600)).max(oidcLimits.entriesMax).default([]),
  })
  .refine(({ provider, idp }) => provider === undefined || idp === undefined, {
    message: 'people sign in at a [provider] or at an [idp], not at both',
    path: ['idp'],
  })
  .refine(({ provider, rules }) => provider === undefined || rules.length > 0, {
    message: 'without one of [[rules]] nobody who signs in there has a role',
    path: ['provider'],
  });

export type SignInRole = z.infer<typeof role>;
export type Rule = z.infer<typeof ruleSchema>;

export interface ProviderSettings {
  issuer: string;
  clientId: string;
  /** Path of the client secret, as the file has it; absent for a public client. */
  clientSecretFile: string | undefined;
  scopes: readonly string[];
}

export interface SignInSettings {
  /** Where people reach this service: scheme, host, port. */
  origin: string;
  /** The OpenID Connect provider that this service asks itself. */
  provider: ProviderSettings | undefined;
  /** Origin of the identity provider that asks it instead. */
  idp: string | undefined;
  sessionMs: number;
  idleMs: number;
  rules: readonly Rule[];
  /** Origins of the services that may send people here to sign in. */
  services: readonly string[];
  /** People who have no role whatever the rules say: person, subject, or any address. */
  revoked: readonly string[];
}

const kind: SettingsKind<typeof fileSchema> = {
  schema: fileSchema,
  error: (message, options) => new QuorateError('SIGN_IN_FILE_INVALID', message, options),
  bytesMax: oidcLimits.fileBytesMax,
  syntax: 'A table is [in brackets], each rule begins with [[rules]], texts stand in quotes.',
  example: 'docs/sign-in.md has a whole file with every key explained.',
};

/** Reads the text of sign-in.toml. `path` only names it in errors, which begin `path:line:`. @throws SIGN_IN_FILE_INVALID */
export function parseSignInSettings(text: string, path: string): SignInSettings {
  const { provider, idp, sessions, ...rest } = parseSettings(text, path, kind);
  const sessionMs = sessions.last ?? oidcLimits.sessionMsDefault;
  return {
    ...rest,
    provider: provider && {
      issuer: provider.issuer,
      clientId: provider['client-id'],
      clientSecretFile: provider['client-secret-file'],
      scopes: provider.scopes,
    },
    idp: idp?.url,
    sessionMs,
    idleMs: Math.min(sessions.idle ?? oidcLimits.idleMsDefault, sessionMs),
  };
}
