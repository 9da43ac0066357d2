import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sandboxLimits } from '../../../sandbox/limits.ts';
import type { Bandwidth } from '../../core/bandwidth.ts';
import type { Charter, Job } from '../../core/documents/index.ts';
import {
  type Egress,
  type EgressRules,
  isLiteralAddress,
  meteredConnect,
  openEgressProxy,
  type Target,
  targetsOf,
} from '../../egress/index.ts';
import { buildLimits } from './limits.ts';

export interface NetworkOptions {
  job: Pick<Job, 'network' | 'limits'>;
  charter: Pick<Charter, 'vcs' | 'bootstrap'>;
  /** Of the job's source: what `vcs` is where the charter allows any server. */
  source: string | undefined;
  /** Where the controller serves artifacts by HTTP, as it tells its members. */
  store: readonly string[];
  /** A folder that only this user can enter, with a short path: the socket lies below. */
  dir: string;
  /**
   * Which private addresses the machine's owner lets builds reach, as `host:port`; a project has to name them, too. 'named':
   * all that it names, for whoever builds a project of their own.
   */
  privateHosts: readonly string[] | 'named';
  /** What the machine's owner allows; without it there is no limit. */
  bandwidth?: Bandwidth;
  /** Lines for the build's log, of printable characters only. */
  say(text: string): void;
  /** A stand-in for tests. */
  resolve?: EgressRules['resolve'];
}

/** The proxy of one build. */
export interface BuildNetwork extends Pick<Egress, 'socket' | 'counts'> {
  close(): Promise<void>;
}

/** Opens what the job asks for; undefined when that is nothing. Errors: `EGRESS_UNAVAILABLE`. */
export async function openBuildNetwork(options: NetworkOptions): Promise<BuildNetwork | undefined> {
  const { network } = options.job;
  if (network === undefined) return undefined;
  const { say, bandwidth } = options;
  const rules = rulesOf(options);
  /** Said once each: a build may be refused the same many times. */
  const hinted = new Set<string>();
  const dir = await mkdtemp(join(options.dir, 'tmp-net-'));
  try {
    const open = rules.targets.map(({ host, port }) => at(host, port)).join(', ');
    say(`network: ${network.join(', ')}: ${open === '' ? 'no server is known for that' : open}`);
    const egress = await openEgressProxy({
      ...{ dir, ...rules, resolve: options.resolve },
      connectionsMax: sandboxLimits.egressConnectionsMax,
      connectionsTotalMax: sandboxLimits.egressConnectionsTotalMax,
      receivedBytesMax: options.job.limits.diskBytes + buildLimits.egressOverheadBytes,
      onRefusal: ({ code, message, hint }) => {
        say(`network: ${code}: ${message}`);
        if (hint === undefined || hinted.has(hint)) return;
        hinted.add(hint);
        say(`network: hint: ${hint}`);
      },
      ...(bandwidth !== undefined && { connect: meteredConnect(bandwidth) }),
    });
    const { socket, counts } = egress;
    return {
      socket,
      counts,
      close: async () => {
        await egress.close();
        const { connections, refused, received, sent } = counts;
        say(`network: ${connections} connections, ${refused} refused; ${received} bytes in, ${sent} out`);
        await rm(dir, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

/** What a proxy for HTTP can be asked for; other protocols have ports of their own, which the charter names. */
const usualPorts = [443, 80];

/** Which servers that is, and which of their addresses may be private ones. */
export function rulesOf({
  job: { network = [] },
  charter,
  source,
  store,
  privateHosts,
}: Pick<NetworkOptions, 'job' | 'charter' | 'source' | 'store' | 'privateHosts'>): EgressRules {
  const vcs = charter.vcs.flatMap((entry) => targetsOf(entry, usualPorts));
  const any = charter.vcs.length === 0 && source !== undefined ? urlTarget(source) : [];
  const stores = store.flatMap(urlTarget);
  const literal = vcs.filter(isLiteralAddress);
  // The controller says where its store is; that it may be at home the root says, with the address itself.
  const known = new Set(charter.bootstrap.flatMap((addr) => /^\/ip[46]\/([^/]+)\//.exec(addr)?.[1] ?? []));
  return {
    targets: unique([
      ...(network.includes('vcs') ? [...vcs, ...any] : []),
      ...(network.includes('store') ? stores : []),
    ]),
    privateTargets: unique([...literal, ...stores.filter(({ host }) => known.has(host))]).filter(
      ({ host, port }) => privateHosts === 'named' || privateHosts.includes(at(host, port)),
    ),
  };
}

function urlTarget(url: string): Target[] {
  const { protocol = '', hostname = '', port = '' } = URL.parse(url) ?? {};
  if ((protocol !== 'http:' && protocol !== 'https:') || port === '0') return [];
  const usual = protocol === 'https:' ? 443 : 80;
  return [{ host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? usual : Number(port) }];
}

const at = (host: string, port: number): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

function unique(targets: readonly Target[]): Target[] {
  return [...new Map(targets.map((one) => [at(one.host, one.port), one])).values()];
}
