import { generateKeyPairSync } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import Provider, { type Configuration } from 'oidc-provider';

/** Claims of the provider about somebody, beside the subject. */
export type Person = Record<string, unknown>;

export interface TestProvider {
  issuer: string;
  clientId: string;
  clientSecret: string;
  /** By subject; changed at will. */
  people: Record<string, Person>;
  close(): Promise<void>;
}

const clientId = 'quorate';
const clientSecret = 'a-secret-of-the-client-registration';

/** A certified OpenID Connect provider (`oidc-provider`) on loopback. Whoever types a name of `people` is that person. */
export async function startProvider(parts: {
  people: Record<string, Person>;
  redirectUris: string[];
  /** An address of loopback. To a browser each is another site. */
  host?: string;
}): Promise<TestProvider> {
  const { people, redirectUris, host = '127.0.0.1' } = parts;
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const issuer = `http://${host}:${(server.address() as AddressInfo).port}`;
  const provider = quietly(() => new Provider(issuer, configurationOf(people, redirectUris)));
  const handle = provider.callback();
  server.on('request', (request, response) => {
    if (!request.url?.startsWith('/interaction/')) return void handle(request, response);
    interact(provider, request, response).catch(() => response.destroy());
  });
  return {
    issuer,
    clientId,
    clientSecret,
    people,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function configurationOf(people: Record<string, Person>, redirectUris: string[]): Configuration {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: redirectUris,
        grant_types: ['authorization_code'],
        response_types: ['code'],
      },
    ],
    ttl: { Interaction: 600, Grant: 600, Session: 600, AccessToken: 600, IdToken: 600 },
    pkce: { required: () => true },
    cookies: { keys: ['a key of this test'] },
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: 'test' }] },
    claims: {
      openid: ['sub'],
      profile: ['name', 'preferred_username'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
    },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    findAccount: (_, accountId) =>
      people[accountId] === undefined
        ? undefined
        : { accountId, claims: async () => ({ sub: accountId, ...people[accountId] }) },
    // Consent is not asked for: the service is the owner's own.
    async loadExistingGrant({ oidc }) {
      const grant = new oidc.provider.Grant({
        ...(oidc.session?.accountId === undefined ? {} : { accountId: oidc.session.accountId }),
        ...(oidc.client === undefined ? {} : { clientId: oidc.client.clientId }),
      });
      grant.addOIDCScope('openid profile email groups');
      await grant.save();
      return grant;
    },
  };
}

/** The page on which a person says who they are. */
async function interact(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { uid } = await provider.interactionDetails(request, response);
  if (request.method === 'POST') {
    const form = new URLSearchParams(await text(request));
    const result =
      form.get('cancel') === null
        ? { login: { accountId: form.get('login') ?? '' } }
        : { error: 'access_denied', error_description: 'cancelled' };
    return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }
  response.writeHead(200, { 'content-type': 'text/html' });
  response.end(
    `<!doctype html><title>Provider</title><link rel="icon" href="data:,"><form method="post" action="/interaction/${uid}"><label>Name <input name="login" autofocus></label><button>Sign in</button><button name="cancel" value="1">Cancel</button></form>`,
  );
}

/** The provider warns that its memory is not for production. */
function quietly<T>(make: () => T): T {
  const { warn, info } = console;
  console.warn = () => {};
  console.info = () => {};
  try {
    return make();
  } finally {
    Object.assign(console, { warn, info });
  }
}
