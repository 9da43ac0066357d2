import { EnvHttpProxyAgent } from 'undici';
import { fetchLimits } from './limits.ts';

/** Connections to registries, through the proxies that the environment names (`HTTPS_PROXY`, `NO_PROXY`). */
export const openAgent = (): EnvHttpProxyAgent =>
  new EnvHttpProxyAgent({
    connections: fetchLimits.parallel,
    connect: { timeout: fetchLimits.connectMs },
    headersTimeout: fetchLimits.idleMs,
    bodyTimeout: fetchLimits.idleMs,
  });
