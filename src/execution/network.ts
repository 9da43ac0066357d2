import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sandboxLimits } from '../../sandbox/limits.ts';
import {
  type Egress,
  type EgressRules,
  type HostGate,
  isLiteralAddress,
  meteredConnect,
  openEgressProxy,
  type Target,
  targetsOf,
} from '../egress/index.ts';
import type { Bandwidth } from '../protocol/base/bandwidth.ts';
import type { Charter, Job } from '../protocol/documents/index.ts';
import { buildLimits } from './limits.ts';

export interface NetworkOptions {
  job: Pick<Job, 'network' | 'limits'>;
  charter: Pick<Charter, 'vcs' | 'bootstrap'>;
  /** URL of the job's source. Its server is the target of `vcs` if the charter allows any server. */
  source: string | undefined;
  /** URLs at which the controller serves artifacts by HTTP, as announced to members. */
  store: readonly string[];
  /** A private folder with a short path, for the socket. */
  dir: string;
  /** Private addresses (`host:port`) that the operator permits and the charter lists. `named`: all of them, for own trials. */
  privateHosts: readonly string[] | 'named';
  /** The operator's bandwidth limit; absent: no limit. */
  bandwidth?: Bandwidth;
  /** Of the worker that builds; absent in a trial of one's own. */
  gate?: HostGate;
  /** Writes a line of printable characters to the build's log. */
  say(text: string): void;
  /** Default: the host's resolver. */
  resolve?: EgressRules['resolve'];
}

/** The proxy of one build. */
export interface BuildNetwork extends Pick<Egress, 'socket' | 'counts'> {
  /** Aborted, with a QuorateError, when the build had better be ended: it will not get what it asks for. */
  hopeless: AbortSignal;
  close(): Promise<void>;
}

/** Opens the proxy of a job with a network; undefined for one without. @throws EGRESS_UNAVAILABLE */
export async function openBuildNetwork(options: NetworkOptions): Promise<BuildNetwork | undefined> {
  const { network } = options.job;
  if (network === undefined) return undefined;
  const { say, bandwidth, gate } = options;
  const rules = rulesOf(options);
  /** Hints already logged; each is logged once. */
  const hinted = new Set<string>();
  const hopeless = new AbortController();
  const dir = await mkdtemp(join(options.dir, 'tmp-net-'));
  try {
    const open = rules.targets.map(({ host, port }) => at(host, port)).join(', ');
    say(`network: ${network.join(', ')}: ${open === '' ? 'no server is known' : open}`);
    const egress = await openEgressProxy({
      dir,
      ...rules,
      resolve: options.resolve,
      gate,
      connectionsMax: sandboxLimits.egressConnectionsMax,
      connectionsTotalMax: sandboxLimits.egressConnectionsTotalMax,
      receivedBytesMax: options.job.limits.diskBytes + buildLimits.egressOverheadBytes,
      onRefusal: ({ code, message, hint }) => {
        say(`network: ${code}: ${message}`);
        if (hint === undefined || hinted.has(hint)) return;
        hinted.add(hint);
        say(`network: hint: ${hint}`);
      },
      onHopeless: (reason) => hopeless.abort(reason),
      ...(bandwidth !== undefined && { connect: meteredConnect(bandwidth) }),
    });
    const { socket, counts } = egress;
    const close = async () => {
      await egress.close();
      const { connections, refused, received, sent } = counts;
      say(`network: ${connections} connections, ${refused} refused; ${received} bytes in, ${sent} out`);
      await rm(dir, { recursive: true, force: true });
    };
    return { socket, counts, hopeless: hopeless.signal, close };
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

/** Ports of an entry without a port: HTTPS and HTTP. For other protocols the charter must list the port. */
const usualPorts = [443, 80];

/** The targets of a job's network, and which of them may have private addresses. */
export function rulesOf(
  of: Pick<NetworkOptions, 'job' | 'charter' | 'source' | 'store' | 'privateHosts'>,
): EgressRules {
  const { charter, source, store, privateHosts } = of;
  const { network = [] } = of.job;
  const vcs = charter.vcs.flatMap((entry) => targetsOf(entry, usualPorts));
  const any = charter.vcs.length === 0 && source !== undefined ? urlTarget(source) : [];
  const stores = store.flatMap(urlTarget);
  const literal = vcs.filter(isLiteralAddress);
  // The controller announces its store's URL. A private address of it is permitted only if the charter, signed by the
  // root key, lists that address.
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
