// Loaded by who asks a registry, and not with everything else. A module of its own: of a CommonJS package that is imported dynamically, a
// bundle has the default export alone.
export { buildConnector, EnvHttpProxyAgent, request } from 'undici';
