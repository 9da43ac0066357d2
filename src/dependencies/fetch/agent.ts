import { EnvHttpProxyAgent } from 'undici';
import { fetchLimits } from './limits.ts';

/**
 * Connections to registries, through the proxies that the environment names (`HTTPS_PROXY`, `NO_PROXY`).
 * @param isDirect without them: for a registry on this host
 */
export const openAgent = ({ isDirect = false } = {}): EnvHttpProxyAgent =>
  new EnvHttpProxyAgent({
    ...(isDirect && { noProxy: '*' }),
    connections: fetchLimits.parallel,
    connect: { timeout: fetchLimits.connectMs },
    headersTimeout: fetchLimits.idleMs,
    bodyTimeout: fetchLimits.idleMs,
  });
