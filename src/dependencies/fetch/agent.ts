import type { EnvHttpProxyAgent } from 'undici';
import { fetchLimits } from './limits.ts';

/**
 * Connections to registries, through the proxies that the environment names (`HTTPS_PROXY`, `NO_PROXY`). The client is loaded here:
 * most processes fetch nothing, and it takes 4 MB.
 * @param isDirect without them: for a registry on this host
 */
export async function openAgent({ isDirect = false } = {}): Promise<EnvHttpProxyAgent> {
  const { EnvHttpProxyAgent } = await import('./http-client.ts');
  return new EnvHttpProxyAgent({
    ...(isDirect && { noProxy: '*' }),
    connections: fetchLimits.parallel,
    connect: { timeout: fetchLimits.connectMs },
    headersTimeout: fetchLimits.idleMs,
    bodyTimeout: fetchLimits.idleMs,
  });
}
