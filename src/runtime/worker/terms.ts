import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import type { SandboxAbilities, SandboxPriority } from '../../../sandbox/index.ts';
import { QuorateError } from '../../core/errors.ts';
import { knobs } from '../../core/lending-knobs.ts';
import { limits } from '../../core/limits.ts';
import { counted, sizeText, sizeTexts } from '../../core/quantity.ts';
import type { Lending } from '../../core/worker/events.ts';
import type { Hours } from './hours.ts';

/** What the owner of the machine decides besides what a job may be promised. */
export interface OperatorRules {
  /** New jobs are taken only then; none means always. Local time. */
  hours: Hours[];
  /** Builds stand still while the owner's own programs keep more processors busy than this. */
  pauseAboveLoad?: number;
  /** Projects this machine works for, by their root keys; any that it joins where it is not given. */
  serve?: readonly string[];
  /** Processor time of one build. */
  processorSeconds?: number;
  processor?: SandboxPriority['processor'];
  ioWeight?: number;
  /** What images may take on the disk, in all. */
  imageBytes?: number;
  /** And what results may take that are served to others. */
  resultBytes?: number;
  /** Bytes a second that the worker may send and receive, over everything it does. */
  upBytes?: number;
  downBytes?: number;
  /** Servers in a network of the owner's own that builds may reach, `host:port`; a project has to name them, too. */
  privateHosts?: readonly string[];
}

/** How builds give way where their operator says nothing: to everybody, and of the disks a fifth. */
export const prioritiesOf = ({
  processor = knobs.processor.default,
  ioWeight = knobs.ioWeight.default,
}: OperatorRules): SandboxPriority => ({
  processor,
  ioWeight,
});

/** What an operator can wish for and not get. */
export type TermKey = 'cpus' | 'memory' | 'disk' | 'jobs' | 'processes' | 'cpu_time' | 'pause_above_load';
/** The key as its giver finds it: with the line of a file, or as an option. */
export type Named = (key: TermKey) => string;
const sayKey: Named = (key) => key;

/** A project that is not listed gets nothing of this machine. Throws `PROJECT_NOT_SERVED`. */
export function checkServed({ serve }: OperatorRules, project: string): void {
  if (serve === undefined || serve.includes(project)) return;
  throw new QuorateError('PROJECT_NOT_SERVED', `this machine does not serve project ${project}`, {
    hint: 'Its operator lists the root keys it works for in worker.toml, under [serve].',
  });
}

/**
 * Whether an operator's wishes fit the machine and each other. `named` says where each was given.
 * Throws `LIMITS_ABOVE_HOST`, `LIMITS_CONTRADICT`.
 */
export function checkTerms(
  { capabilities, jobsAtOnce, pids, seconds }: Lending,
  { processorSeconds, pauseAboveLoad }: OperatorRules,
  named: Named = sayKey,
): void {
  const atMost = (key: TermKey, asked: number, there: number, unit?: 'bytes') => {
    if (asked <= there) return;
    const [wants, has] = unit === undefined ? [asked, there] : sizeTexts(asked, there);
    throw new QuorateError(
      'LIMITS_ABOVE_HOST',
      `${named(key)}: ${wants} is more than this machine has (${has})`,
      { hint: 'Lend less than all of it: the machine stays yours.' },
    );
  };
  const { cpus, memoryBytes, diskBytes, tiers } = capabilities;
  const processors = availableParallelism();
  atMost('cpus', cpus, processors);
  atMost('memory', memoryBytes, totalmem(), 'bytes');
  if (pids !== undefined) atMost('processes', pids, processesMax());
  if (pauseAboveLoad !== undefined && pauseAboveLoad >= processors) {
    throw new QuorateError(
      'LIMITS_ABOVE_HOST',
      `${named('pause_above_load')}: ${pauseAboveLoad} processors are never busier than all of this machine's ${processors}`,
      { hint: 'Name fewer, or leave it out: then builds never stand still by themselves.' },
    );
  }
  const inMemory = tiers.length === 0 || tiers.some((tier) => tier === 'namespace' || tier === 'gvisor');
  const { jobPidsMin, jobMemoryBytesMin } = limits;
  const [memory, disk] = sizeTexts(memoryBytes, diskBytes);
  const contradictions: (readonly [boolean, TermKey, string, string])[] = [
    [
      inMemory && diskBytes > memoryBytes,
      'disk',
      `what builds write lies in memory, of which ${memory} are lent, not ${disk}`,
      'Lend more memory or less disk.',
    ],
    [
      jobsAtOnce > cpus,
      'jobs',
      `${jobsAtOnce} at once need as many cpus; ${cpus} ${cpus === 1 ? 'is' : 'are'} lent`,
      'Lend more cpus, or take fewer jobs at once.',
    ],
    [
      jobsAtOnce * jobMemoryBytesMin > memoryBytes,
      'memory',
      `${counted(jobsAtOnce, 'job')} at once need at least ${sizeText(jobsAtOnce * jobMemoryBytesMin)}; ${memory} are lent`,
      'Lend more memory, or take fewer jobs at once.',
    ],
    [
      pids !== undefined && jobsAtOnce * jobPidsMin > pids,
      'processes',
      `${counted(jobsAtOnce, 'job')} at once need at least ${jobsAtOnce * jobPidsMin}; ${pids} are lent`,
      'Lend more processes, or take fewer jobs at once.',
    ],
    [
      processorSeconds !== undefined && seconds !== undefined && processorSeconds > seconds * cpus,
      'cpu_time',
      `in ${seconds} s ${counted(cpus, 'processor')} never spend ${processorSeconds} s`,
      'Allow less processor time, or more time.',
    ],
  ];
  for (const [wrong, key, message, hint] of contradictions)
    if (wrong) throw new QuorateError('LIMITS_CONTRADICT', `${named(key)}: ${message}`, { hint });
}

/** Of the whole machine (proc_sys_kernel(5)). */
function processesMax(): number {
  const read = (name: string) => Number(readFileSync(`/proc/sys/kernel/${name}`, 'utf8'));
  return Math.min(read('pid_max'), read('threads-max'));
}

/** What this machine's kernel cannot hold a build to is not promised to its owner. Throws `LIMITS_NOT_ENFORCEABLE`. */
export function checkHeld(
  { processorSeconds, pauseAboveLoad }: OperatorRules,
  able: SandboxAbilities,
  named: Named = sayKey,
): void {
  const lacking: readonly [TermKey, string] | undefined =
    processorSeconds !== undefined && !able.processorTime
      ? ['cpu_time', 'the kernel does not count processor time of a control group (cpuacct)']
      : pauseAboveLoad !== undefined && !able.freeze
        ? ['pause_above_load', 'builds cannot be stopped where they are (freezer)']
        : undefined;
  if (lacking === undefined) return;
  const [key, why] = lacking;
  throw new QuorateError('LIMITS_NOT_ENFORCEABLE', `${named(key)}: ${why}`, {
    hint: 'No job is taken while a limit does not hold. Leave it out, or mount that controller: quorate doctor',
  });
}

/** Wishes that are not limits, and that nothing here heeds. */
export function unheeded({ processor, ioWeight }: OperatorRules, able: SandboxAbilities): string[] {
  return [
    ioWeight !== undefined && !able.ioWeight
      ? "io: no disk of this machine has a scheduler that heeds it (bfq, or v2's io.cost)"
      : [],
    processor === 'idle' && !able.idle
      ? 'processor: this kernel knows no idle groups (5.15 does); builds get the smallest share instead'
      : [],
  ].flat();
}
