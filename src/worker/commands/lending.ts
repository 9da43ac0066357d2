import type { Tier } from '../../../sandbox/index.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { type AllowedHosts, allowsHost } from '../../protocol/base/host-entry.ts';
import { bytes, counted, duration } from '../../terminal/format.ts';
import type { Lending } from '../machine/events.ts';
import type { HostStatus, Lent } from '../node/operator.ts';
import type { Named, OperatorRules } from '../node/terms.ts';
import type { LendingOptions, Places } from './worker-file.ts';

/** Where a value was set: an option takes precedence over the file. */
export function namedIn(options: LendingOptions, { places }: { places: Places }): Named {
  return (key) => (key in options ? `--${key}` : (places[key] ?? key));
}

/**
 * Resources that this host lends: the defaults, changed by what the operator sets; `tiers` once they are known. Throws `LIMITS_INVALID`.
 */
export async function lendingFrom(
  options: LendingOptions,
  rules: OperatorRules,
  tiers: readonly Tier[],
  named?: Named,
): Promise<Lending> {
  const { defaultLending } = await import('../node/node.ts');
  const { checkTerms } = await import('../node/terms.ts');
  const { capabilities, ...usual } = defaultLending(tiers);
  const { cpus = capabilities.cpus, memory: memoryBytes = capabilities.memoryBytes } = options;
  const lending: Lending = {
    // In some tiers the disk is kept in memory.
    capabilities: { ...capabilities, cpus, memoryBytes, diskBytes: options.disk ?? memoryBytes },
    jobsAtOnce: options.jobs ?? usual.jobsAtOnce,
    pids: options.processes ?? usual.pids,
    seconds: options.time ?? usual.seconds,
  };
  checkTerms(lending, rules, named);
  return lending;
}

/** Resources that would be lent, for the question of `join`. */
export function describeLending({ capabilities, jobsAtOnce, pids, seconds }: Lending): string[] {
  const { cpus, memoryBytes, diskBytes, tiers } = capabilities;
  return [
    `  processors  ${cpus}`,
    `  memory      ${bytes(memoryBytes)}`,
    `  disk        ${bytes(diskBytes)}`,
    ...(pids === undefined ? [] : [`  processes   ${pids}`]),
    ...(seconds === undefined ? [] : [`  time        ${duration(seconds * 1000)} a build`]),
    `  at once     ${counted(jobsAtOnce, 'job')}`,
    `  sandbox     ${tiers.join(', ')}; network: the servers of the project’s source and store, if a job asks`,
  ];
}

/** Hosts that are shown of each kind. */
const hostsShownMax = 20;

/** A list of hosts in a sentence. `max`: those that are named. */
export function hostsText(hosts: AllowedHosts, max = hostsShownMax): string {
  if (hosts === 'any') return 'any host that it names';
  if (hosts.length === 0) return 'none, until you allow one: quorate worker allow HOST';
  const more = hosts.length - max;
  const shown = hosts.slice(0, max).map((one) => escapeLine(one, 140));
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** The hosts of a worker, for `worker status`; `mind`: the operator should look at it. A worker of before says nothing of them. */
export function describeHosts(hosts: HostStatus | undefined): { text: string; mind: boolean }[] {
  if (hosts === undefined) return [];
  const { allowed, pending, spent, traffic } = hosts;
  const lines = [{ text: `  hosts      ${hostsText(allowed)}`, mind: false }];
  const minded = (text: string) => lines.push({ text, mind: true });
  if (pending.length > 0)
    minded(`  pending    ${hostsText(pending)}; to allow one: quorate worker allow HOST`);
  if (spent.length > 0) minded(`  limit      reached within this hour: ${hostsText(spent)}`);
  const busiest = traffic.toSorted((a, b) => b.connections - a.connections).slice(0, hostsShownMax);
  for (const { host, addresses, connections, open, receivedBytes, sentBytes } of busiest)
    lines.push({
      text: `  reached    ${host} (${addresses.slice(-2).join(', ')}): ${counted(connections, 'connection')}, ${open} open; ${bytes(receivedBytes)} in, ${bytes(sentBytes)} out`,
      mind: false,
    });
  return lines;
}

/** The change that `worker allow` made; `mind`: perhaps not what the operator meant. */
export function describeAllowed(
  host: string,
  withdraw: boolean,
  before: HostStatus,
  after: HostStatus,
): { text: string; mind: boolean } {
  const name = escapeLine(host, 140);
  const says = (text: string, mind: boolean) => ({ text: `${name} ${text}`, mind });
  if (after.allowed === 'any') {
    const text = `worker.toml allows any host: ${name} ${withdraw ? 'stays' : 'was'} allowed.`;
    return { text, mind: withdraw };
  }
  if (withdraw && allowsHost(after.allowed, host))
    return says('stays allowed, by worker.toml or by another entry of the list.', true);
  const was = before.allowed !== 'any' && before.allowed.includes(host);
  if (withdraw) return says(`is ${was ? 'no longer' : 'not, and was not,'} allowed.`, !was);
  if (was) return says('was allowed already.', false);
  if (after.pending.length < before.pending.length) return says('is allowed.', false);
  return says('is allowed, but neither the project nor a job that was passed on names it.', true);
}

/** Resources that are lent, for `worker status`. */
export function describeLent(lent: Lent): string[] {
  const { processorSeconds: busy, seconds, pids, upBytes, downBytes } = lent;
  const time = (value: number | null) => (value === null ? 'any time' : duration(value * 1000));
  const rate = (value: number | null) => (value === null ? 'no limit' : `${bytes(value)}/s`);
  const weight = lent.processor === 'idle' ? 'only idle processors' : 'low priority';
  return [
    `  lends      ${counted(lent.cpus, 'cpu')}, ${bytes(lent.memoryBytes)} of memory, ${bytes(lent.diskBytes)} of disk a build, ${counted(lent.jobsAtOnce, 'job')} at once`,
    `  a build    ${time(seconds)}, ${busy === null ? '' : `${time(busy)} of processor, `}${pids === null ? 'any number of' : pids} processes together`,
    `  gives way  ${weight}, ${lent.ioWeight} of 100 at the disks`,
    `  network    up ${rate(upBytes)}, down ${rate(downBytes)}; of builds: the project’s source and store, if a job asks`,
    ...(lent.tiers.length === 0 ? [] : [`  sandbox    ${lent.tiers.join(', ')}`]),
  ];
}
