import { isIP, type LookupFunction } from 'node:net';
import type { buildConnector, EnvHttpProxyAgent } from 'undici';
import { fetchLimits } from './limits.ts';

export interface Server {
  /** A name or an address, without brackets. */
  host: string;
  port: number;
}

/** Addresses at which a server may be reached. `isNamed`: this host's user or configuration named it, not a lock file. @throws the objection */
export type Reach = (server: Server, isNamed: boolean) => Promise<readonly string[]>;

interface AgentOptions {
  reach: Reach;
  /** Without proxies: for a registry on this host. */
  isDirect?: boolean;
}

/** Connections to registries, through the proxies of the environment. Loads the HTTP client (4 MB), which most processes never need. */
export async function openAgent(options: AgentOptions): Promise<Agent> {
  return new Agent(options, await import('./http-client.ts'));
}

export class Agent {
  readonly dispatcher: EnvHttpProxyAgent;
  readonly #reach: Reach;
  readonly #named = new Set<string>();

  constructor({ reach, isDirect = false }: AgentOptions, client: typeof import('./http-client.ts')) {
    this.#reach = reach;
    this.dispatcher = new client.EnvHttpProxyAgent({
      ...(isDirect && { noProxy: '*' }),
      connections: fetchLimits.parallel,
      connect: this.#connector(client.buildConnector),
      headersTimeout: fetchLimits.idleMs,
      bodyTimeout: fetchLimits.idleMs,
    });
  }

  /** Somebody at this host named the server of this URL. */
  name(url: string): void {
    const at = URL.parse(url);
    if (at !== null) this.#named.add(keyOf(serverOf(at)));
  }

  /** Checks a server that a URL names by its address, also where a proxy would connect. Names are checked when connected to. @throws the objection */
  async admit(url: URL): Promise<void> {
    const server = serverOf(url);
    if (isIP(server.host) !== 0 || isLocalName(server.host)) await this.#addresses(server);
  }

  #addresses(server: Server): Promise<readonly string[]> {
    return this.#reach(server, this.#named.has(keyOf(server)));
  }

  #connector(build: typeof buildConnector): buildConnector.connector {
    return (options, callback) => {
      const { protocol, hostname, port } = options;
      const server = { host: bare(hostname), port: Number(port || usualPort(protocol)) };
      this.#addresses(server).then(
        (addresses) => {
          const found = addresses.map((address) => ({ address, family: isIP(address) }));
          // Connected to is what was looked at: the name is not resolved a second time.
          const lookup: LookupFunction = (_, { all }, done) => {
            if (all === true) done(null, found);
            else done(null, found[0]?.address ?? '', found[0]?.family);
          };
          build({ allowH2: false, timeout: fetchLimits.connectMs, lookup })(options, callback);
        },
        (error: Error) => callback(error, null),
      );
    };
  }

  destroy(): Promise<void> {
    return this.dispatcher.destroy();
  }
}

const isLocalName = (host: string): boolean => host === 'localhost' || host.endsWith('.localhost');
const bare = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, '$1');
const usualPort = (protocol: string): number => (protocol === 'https:' ? 443 : 80);
const keyOf = ({ host, port }: Server): string => `${host} ${port}`;

const serverOf = ({ protocol, hostname, port }: URL): Server => ({
  host: bare(hostname),
  port: Number(port || usualPort(protocol)),
});
