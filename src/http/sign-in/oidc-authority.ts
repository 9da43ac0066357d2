import { OidcProvider } from '../../identity/oidc/provider.ts';
import { neededClaims, roleOf } from '../../identity/oidc/rules.ts';
import type { ProviderSettings } from '../../identity/oidc/settings.ts';
import type { SignInFile } from '../../identity/oidc/settings-file.ts';
import type { Authority, Right } from './right.ts';

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
    wanted: () => file.settings.rules.map(({ claim }) => claim),
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
