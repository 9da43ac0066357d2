import type { Tier } from '../../sandbox/index.ts';
import { QuorateError } from '../core/errors.ts';
import type { Lending } from '../core/worker/events.ts';
import { bytes } from './format.ts';

export interface LendingOptions {
  cpus?: number;
  memory?: number;
  disk?: number;
  jobs?: number;
}

/** What this machine lends: the runtime's careful default, changed by what the operator says; `tiers` where they are known yet. */
export async function lendingFrom(options: LendingOptions, tiers: readonly Tier[] = []): Promise<Lending> {
  const { defaultLending } = await import('../runtime/worker-node.ts');
  const { availableParallelism, totalmem } = await import('node:os');
  const { capabilities, jobsAtOnce } = defaultLending(tiers);
  const lending: Lending = {
    capabilities: {
      ...capabilities,
      cpus: options.cpus ?? capabilities.cpus,
      memoryBytes: options.memory ?? capabilities.memoryBytes,
      diskBytes: options.disk ?? capabilities.diskBytes,
    },
    jobsAtOnce: options.jobs ?? jobsAtOnce,
  };
  refuseMore('--cpus', lending.capabilities.cpus, availableParallelism(), String);
  refuseMore('--memory', lending.capabilities.memoryBytes, totalmem(), bytes);
  return lending;
}

function refuseMore(option: string, asked: number, there: number, say: (n: number) => string): void {
  if (asked <= there) return;
  throw new QuorateError(
    'CLI_USAGE',
    `${option} ${say(asked)} is more than this machine has (${say(there)})`,
    {
      hint: 'Lend less than all of it: the machine stays yours.',
    },
  );
}

export function describeLending({ capabilities, jobsAtOnce }: Lending): string[] {
  const { cpus, memoryBytes, diskBytes, tiers } = capabilities;
  return [
    `  processors  ${cpus}`,
    `  memory      ${bytes(memoryBytes)}`,
    `  disk        ${bytes(diskBytes)}`,
    `  at once     ${jobsAtOnce} job${jobsAtOnce === 1 ? '' : 's'}`,
    `  sandbox     ${tiers.join(', ')}; no network`,
  ];
}
