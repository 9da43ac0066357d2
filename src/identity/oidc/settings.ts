import { parse, TomlError } from 'smol-toml';
import { z } from 'zod';
import { amountSchema } from '../../protocol/base/amount-schema.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { units } from '../../protocol/base/units.ts';
import { oidcLimits } from './limits.ts';

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** Whether an address may be used: TLS, or this host itself. */
export function isSafeUrl(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && loopback.test(url.hostname));
}

function urlOf(text: string): URL | undefined {
  try {
    const url = new URL(text);
    return isSafeUrl(url) && url.username === '' && url.password === '' ? url : undefined;
  } catch {
    return undefined;
  }
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
    sessions: z
      .strictObject({
        last: time.optional(),
        idle: time.optional(),
      })
      .default({}),
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

/** The contents of sign-in.toml. */
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
  /** People who have no role whatever the rules say: person, subject or verified address. */
  revoked: readonly string[];
}

const keys: Record<string, readonly string[]> = {
  '': ['origin', 'services', 'revoked', 'provider', 'idp', 'sessions', 'rules'],
  provider: ['issuer', 'client-id', 'client-secret-file', 'scopes'],
  idp: ['url'],
  sessions: ['last', 'idle'],
  rules: ['claim', 'is', 'contains', 'role'],
};

/**
 * Reads the text of sign-in.toml. `path` only names it in errors, which begin `path:line:`.
 * @throws SIGN_IN_FILE_SYNTAX, SIGN_IN_FILE_UNKNOWN_KEY, SIGN_IN_FILE_INVALID
 */
export function parseSignInSettings(text: string, path: string): SignInSettings {
  if (Buffer.byteLength(text) > oidcLimits.fileBytesMax)
    throw new QuorateError('SIGN_IN_FILE_INVALID', `${path} has over ${oidcLimits.fileBytesMax} bytes`);
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const [what = ''] = cause.message.replace('Invalid TOML document: ', '').split('\n');
    throw new QuorateError('SIGN_IN_FILE_SYNTAX', `${path}:${cause.line}:${cause.column}: ${what}`, {
      hint: 'A table is [in brackets], each rule begins with [[rules]], texts stand in quotes. docs/sign-in.md has a whole file.',
      cause,
    });
  }
  const { success, data, error } = fileSchema.safeParse(value);
  if (!success) {
    // A key that is misspelled is also one that is missing.
    const unknown = error.issues.find(({ code }) => code === 'unrecognized_keys');
    throw errorOf(unknown ?? error.issues[0], text, path);
  }
  const { provider, sessions } = data;
  const sessionMs = sessions.last ?? oidcLimits.sessionMsDefault;
  return {
    origin: data.origin,
    provider:
      provider === undefined
        ? undefined
        : {
            issuer: provider.issuer,
            clientId: provider['client-id'],
            clientSecretFile: provider['client-secret-file'],
            scopes: provider.scopes,
          },
    idp: data.idp?.url,
    sessionMs,
    idleMs: Math.min(sessions.idle ?? oidcLimits.idleMsDefault, sessionMs),
    rules: data.rules,
    services: data.services,
    revoked: data.revoked,
  };
}

function errorOf(issue: z.core.$ZodIssue | undefined, text: string, path: string): QuorateError {
  const parts = (issue?.path ?? []).map(String);
  const [table = '', ...below] = parts;
  const index = /^\d+$/.test(below[0] ?? '') ? Number(below.shift()) : undefined;
  if (issue?.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys;
    const at = lineOf(text, { table, index, key });
    return new QuorateError(
      'SIGN_IN_FILE_UNKNOWN_KEY',
      `${path}:${at}: there is no "${key.slice(0, 60)}"${table === '' ? '' : ` in [${table}]`}`,
      { hint: `There is: ${(keys[table] ?? []).join(', ')}.` },
    );
  }
  const [key = ''] = below;
  const at = lineOf(text, { table, index, key });
  const where = parts.join('.') || 'the file';
  return new QuorateError(
    'SIGN_IN_FILE_INVALID',
    `${path}:${at}: ${where}: ${issue?.message ?? 'not valid'}`,
    {
      hint: 'docs/sign-in.md has a whole file with every key explained.',
    },
  );
}

interface Place {
  /** A table, or a key of the file itself. */
  table: string;
  /** Which of several tables of that name. */
  index: number | undefined;
  key: string;
}

/** The line of a key in its table, else that of the table, else 1. */
function lineOf(text: string, { table, index = 0, key }: Place): number {
  let inTable = '';
  let seen = -1;
  let found = 1;
  for (const [at, line] of text.split('\n').entries()) {
    const [, header] = /^\s*\[{1,2}\s*([^\][]+?)\s*\]/.exec(line) ?? [];
    if (header !== undefined) {
      inTable = header;
      if (table === '' && header === key) return at + 1;
      if (header !== table) continue;
      seen++;
      if (seen === index) found = at + 1;
      continue;
    }
    const [, name = ''] = /^\s*"?([A-Za-z0-9_-]+)"?\s*=/.exec(line) ?? [];
    if (inTable === '' && name !== '' && name === (table === '' ? key : table)) return at + 1;
    if (inTable === table && seen === index && name !== '' && name === key) return at + 1;
  }
  return found;
}
