import { OidcProvider } from '../../identity/oidc/provider.ts';
import { neededClaims, roleOf } from '../../identity/oidc/rules.ts';
import type { ProviderSettings } from '../../identity/oidc/settings.ts';
import { type CheckOwn, readClientSecret, SignInFile } from '../../identity/oidc/settings-file.ts';
import { joseVerifier } from '../../identity/verifier.ts';
import { machineTime } from '../../node/ports.ts';
import type { Charter } from '../../protocol/documents/index.ts';
import { IdpAuthority } from './idp-authority.ts';
import { type SignIn, signIn } from './index.ts';
import type { KeyHolders } from './key-sign-in.ts';
import type { SessionIssuer } from './service-routes.ts';
import type { Authority, Right } from './sessions.ts';

/** An OpenID Connect provider that this service asks itself, and the owner's rules, which hold as they are at each moment. */
export function oidcAuthority(parts: {
  provider: ProviderSettings;
  clientSecret: string | undefined;
  file: Pick<SignInFile, 'settings' | 'hasEnded'>;
  now(): number;
}): Authority {
  const { provider, clientSecret, file, now } = parts;
  const client = new OidcProvider({
    issuer: provider.issuer,
    clientId: provider.clientId,
    clientSecret,
    scopes: provider.scopes,
    // The address: it may be revoked, also later.
    wanted: () => ['email', ...file.settings.rules.map(({ claim }) => claim)],
    now,
  });
  return {
    host: new URL(provider.issuer).host,
    begin: (callback) => client.begin(callback),
    async finish(callback, checks): Promise<Right> {
      const since = now();
      const { person, name, claims } = await client.finish(callback, checks);
      const needed = neededClaims(claims, file.settings);
      return {
        person,
        name,
        role: () =>
          file.hasEnded(person, since) ? undefined : roleOf({ person, claims: needed }, file.settings),
      };
    },
  };
}

interface OpenSignInOptions {
  path: string;
  /** Members who sign in with their key; undefined where the service knows none. */
  members: Omit<KeyHolders, 'verifier'> | undefined;
  /** The charter in force, which names the identity provider. */
  charter(): Charter;
  /** Of the process that has the key of the identity provider. */
  issuer: SessionIssuer | undefined;
  checkOwn: CheckOwn;
  /** sign-in.toml is wrong since it was changed; what it said before stays in force. */
  onError(error: Error): void;
}

/** Signing in by a file, whose rules, services, times and revocations are reread within a second. @throws `SIGN_IN_FILE_…` */
export async function openSignIn(options: OpenSignInOptions): Promise<SignIn & { origin: string }> {
  const { path, members, charter, issuer, checkOwn, onError } = options;
  const file = await SignInFile.open(path, onError, checkOwn);
  const { origin, provider, idp } = file.settings;
  // Sessions, codes and links end in time, also where the wall clock is set back.
  const time = machineTime();
  const now = () => time.steady();
  const remote =
    idp === undefined ? undefined : new IdpAuthority({ idp, origin, charter, verifier: joseVerifier, now });
  try {
    const authority =
      provider === undefined
        ? remote
        : oidcAuthority({
            provider,
            file,
            now,
            clientSecret: await readClientSecret(provider, path, checkOwn),
          });
    const keys = members === undefined ? undefined : { ...members, verifier: joseVerifier };
    const opened = signIn({ file, authority, keys, issuer, now });
    return {
      ...opened,
      origin,
      close() {
        opened.close();
        remote?.close();
        file.close();
      },
    };
  } catch (error) {
    file.close();
    throw error;
  }
}
