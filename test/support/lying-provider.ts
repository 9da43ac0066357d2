import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';

type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** Lies of a provider; honest where nothing is given. */
export interface Lies {
  /** Members of its metadata that differ. */
  metadata?: Record<string, unknown>;
  /** Claims of the ID token that differ. */
  claims?: JWTPayload;
  /** Makes the ID token from its claims. */
  idToken?: (claims: JWTPayload) => string | Promise<string>;
  userInfo?: Record<string, unknown>;
  /** In place of the answer at a path. */
  paths?: Record<string, Handler>;
}

export interface LyingProvider {
  issuer: string;
  lies: Lies;
  /** Signs as the provider does, with the key that it publishes. */
  sign(claims: JWTPayload): Promise<string>;
  publicJwk: Record<string, unknown>;
  /** Paths that were asked for. */
  asked: string[];
  /** The nonce of the last authorization request; a test says it, as there is no browser between. */
  nonce: string;
  close(): Promise<void>;
}

export const liarClient = 'quorate';

/** A provider that answers as a test wants it, on loopback. */
export async function startLyingProvider(): Promise<LyingProvider> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const publicJwk = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256', use: 'sig' };
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider: LyingProvider = {
    issuer,
    publicJwk,
    lies: {},
    asked: [],
    nonce: '',
    sign: (claims) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'k', typ: 'JWT' }).sign(privateKey),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  server.on('request', (request, response) => {
    const path = new URL(request.url ?? '', issuer).pathname;
    provider.asked.push(path);
    const handle = provider.lies.paths?.[path] ?? honest[path];
    if (handle === undefined) return void response.writeHead(404).end();
    Promise.resolve(handle(request, response)).catch(() => response.destroy());
  });
  const json = (response: ServerResponse, value: unknown) =>
    void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  const honest: Record<string, Handler> = {
    '/.well-known/openid-configuration': (_, response) =>
      json(response, {
        issuer,
        authorization_endpoint: `${issuer}/auth`,
        token_endpoint: `${issuer}/token`,
        userinfo_endpoint: `${issuer}/me`,
        jwks_uri: `${issuer}/jwks`,
        response_types_supported: ['code'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['ES256'],
        code_challenge_methods_supported: ['S256'],
        ...provider.lies.metadata,
      }),
    '/jwks': (_, response) => json(response, { keys: [publicJwk] }),
    '/me': (_, response) =>
      json(response, { sub: 'ada', groups: ['maintainers'], ...provider.lies.userInfo }),
    '/token': async (request, response) => {
      await text(request);
      const now = Math.floor(Date.now() / 1000);
      const claims = {
        iss: issuer,
        aud: liarClient,
        sub: 'ada',
        iat: now,
        exp: now + 300,
        nonce: provider.nonce,
        groups: ['maintainers'],
        ...provider.lies.claims,
      };
      const idToken = await (provider.lies.idToken ?? provider.sign)(claims);
      json(response, { access_token: 'a', token_type: 'Bearer', expires_in: 60, id_token: idToken });
    },
  };
  return provider;
}
