import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SignIn, type SignInPorts, signIn } from '../../src/http/sign-in/index.ts';
import { oidcAuthority } from '../../src/http/sign-in/open.ts';
import { SignInFile } from '../../src/identity/oidc/settings-file.ts';
import { joseVerifier } from '../../src/identity/verifier.ts';
import { type Charter, type Grant, signMessage } from '../../src/protocol/documents/index.ts';
import { idp, makeCharter, makeGrant, project, publisher } from './documents.ts';
import type { TestProvider } from './oidc-provider.ts';
import { WebClient } from './web-client.ts';

export const rules = `
[[rules]]
claim = "groups"
contains = "maintainers"
role = "publisher"

[[rules]]
claim = "email"
is = "rita@example.org"
role = "reader"
`;

export const settingsOf = (
  origin: string,
  { issuer, clientId }: Pick<TestProvider, 'issuer' | 'clientId'>,
) => `
origin = "${origin}"

[provider]
issuer = "${issuer}"
client-id = "${clientId}"
scopes = ["profile", "email", "groups"]
${rules}`;

/** A folder with a sign-in.toml, and it opened. */
async function settingsFile(text: string): Promise<{ path: string; file: SignInFile; errors: Error[] }> {
  const path = join(await mkdtemp(join(tmpdir(), 'quorate-sign-in-')), 'sign-in.toml');
  await writeFile(path, text);
  const errors: Error[] = [];
  return {
    path,
    errors,
    file: await SignInFile.open(
      path,
      (error) => errors.push(error),
      async () => {},
    ),
  };
}

export interface TestSignIn extends SignIn {
  path: string;
  file: SignInFile;
  /** Grants whose key or operator is revoked. */
  revoked: Set<string>;
}

/** Signing in with a real file, and the provider where one is given. */
export async function startSignIn(
  text: string,
  parts: Partial<SignInPorts> & { provider?: TestProvider; charter?: () => Charter } = {},
): Promise<TestSignIn> {
  const { path, file } = await settingsFile(text);
  const { provider, charter = () => makeCharter(), now = Date.now, ...ports } = parts;
  const revoked = new Set<string>();
  const { settings } = file;
  const authority =
    provider === undefined || settings.provider === undefined
      ? undefined
      : oidcAuthority({ provider: settings.provider, clientSecret: provider.clientSecret, file, now });
  const made = signIn({
    file,
    authority,
    issuer: undefined,
    now,
    keys: { charter, verifier: joseVerifier, isRevoked: ({ sub }: Grant) => revoked.has(sub) },
    ...ports,
  });
  return {
    ...made,
    path,
    file,
    revoked,
    close() {
      made.close();
      file.close();
    },
  };
}

interface Person {
  key: typeof publisher;
  operator: string;
  role: Grant['role'];
}

/** A browser in which the publisher `ada`, or somebody else, has signed in with their key. `now` is that of the service, in milliseconds. */
export async function signedInPublisher(
  app: { request(input: string, init?: RequestInit): Response | Promise<Response> },
  origin: string,
  now: number,
  { key = publisher, operator = 'ada', role = 'publisher' }: Partial<Person> = {},
): Promise<WebClient> {
  const post = async (path: string, body: object) => {
    const text = JSON.stringify(body);
    const headers = { 'content-type': 'application/json', 'content-length': String(text.length) };
    return (await app.request(`${origin}${path}`, { method: 'POST', body: text, headers })).json();
  };
  const { challenge } = (await post('/sign-in/challenge', {})) as { challenge: string };
  const iat = Math.floor(now / 1000);
  const payload = { iss: key.id, aud: origin, project, challenge, iat, exp: iat + 60 };
  const grant = makeGrant(key, operator, role, { iat: iat - 60, exp: iat + 3_600 });
  const { url } = (await post('/sign-in/key', {
    'sign-in': (await signMessage('sign-in', payload, key.signer)).raw,
    grant: (await signMessage('grant', grant, idp.signer)).raw,
  })) as { url: string };
  const browser = new WebClient({ [origin]: app as never });
  const code = new URL(url).searchParams.get('code') ?? '';
  await browser.ask(`${origin}/sign-in/link`, { form: { code }, from: origin });
  return browser;
}
