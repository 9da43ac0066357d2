import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import type { SandboxAbilities, SandboxPriority } from '../../../sandbox/index.ts';
import type { HostLimits } from '../../egress/index.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { counted, sizeText, sizeTexts } from '../../protocol/base/quantity.ts';
import { type KnobField, type KnobKey, type KnobValue, knobs, type PromisedField } from '../lending-knobs.ts';
import type { Lending } from '../machine/events.ts';

type RuleField = Exclude<KnobField, PromisedField | 'tiers' | 'hours'>;
/** The operator's rules besides the limits that a job is promised, by the names of `knobs`; absent: the default there. */
export type OperatorRules = { [F in RuleField]?: KnobValue<F> } & {
  /** No time of day means always. */
  hours: KnobValue<'hours'>;
};

/** The priorities of builds, with the defaults where the operator sets none. */
export const prioritiesOf = ({
  processor = knobs.processor.default,
  ioWeight = knobs.ioWeight.default,
}: OperatorRules): SandboxPriority => ({ processor, ioWeight });

/** Limits for each host that the worker connects to, with the defaults where the operator sets none. */
export const hostLimitsOf = ({
  hostConnections = knobs.hostConnections.default,
  hostBytes = knobs.hostBytes.default,
}: OperatorRules): HostLimits => ({ connections: hostConnections, bytes: hostBytes });

/** Keys of worker.toml that messages name the place of. */
export type TermKey = KnobKey<'lend' | 'when'>;
/** Where a key was set, for messages: the line of a file, or an option. */
export type Named = (key: TermKey) => string;
const sayKey: Named = (key) => key;

/** Throws `PROJECT_NOT_SERVED` for a project that the operator does not list. */
export function checkServed({ serve }: OperatorRules, project: string): void {
  if (serve === undefined || serve.includes(project)) return;
  throw new QuorateError('PROJECT_NOT_SERVED', `this host does not serve project ${project}`, {
    hint: 'Its operator lists the root keys it works for in worker.toml, under [serve].',
  });
}

/** Whether the values of an operator fit the host and each other. @throws LIMITS_INVALID, which names where each was set */
export function checkTerms(
  { capabilities, jobsAtOnce, pids, seconds }: Lending,
  { processorSeconds, pauseAboveLoad }: OperatorRules,
  named: Named = sayKey,
): void {
  const atMost = (key: TermKey, asked: number, there: number, unit?: 'bytes') => {
    if (asked <= there) return;
    const [wants, has] = unit === undefined ? [asked, there] : sizeTexts(asked, there);
    throw new QuorateError('LIMITS_INVALID', `${named(key)}: ${wants} is more than this host has (${has})`, {
      hint: 'Lend less than all of it.',
    });
  };
  const { cpus, memoryBytes } = capabilities;
  const processors = availableParallelism();
  atMost('cpus', cpus, processors);
  atMost('memory', memoryBytes, totalmem(), 'bytes');
  if (pids !== undefined) atMost('processes', pids, processesMax());
  const { jobPidsMin, jobMemoryBytesMin } = limits;
  const contradictions: (readonly [boolean, TermKey, string, string])[] = [
    [
      (pauseAboveLoad ?? 0) >= processors,
      'pause_above_load',
      `${pauseAboveLoad} processors are never busier than all ${processors} of this host`,
      'Name fewer, or leave it out: then builds are never paused by themselves.',
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
      `${counted(jobsAtOnce, 'job')} at once need at least ${sizeText(jobsAtOnce * jobMemoryBytesMin)}; ${sizeText(memoryBytes)} are lent`,
      'Lend more memory, or take fewer jobs at once.',
    ],
    [
      jobsAtOnce * jobPidsMin > (pids ?? Number.POSITIVE_INFINITY),
      'processes',
      `${counted(jobsAtOnce, 'job')} at once need at least ${jobsAtOnce * jobPidsMin}; ${pids} are lent`,
      'Lend more processes, or take fewer jobs at once.',
    ],
    [
      (processorSeconds ?? 0) > (seconds ?? Number.POSITIVE_INFINITY) * cpus,
      'cpu_time',
      `${counted(cpus, 'processor')} cannot spend ${processorSeconds} s in ${seconds} s`,
      'Allow less processor time, or more time.',
    ],
  ];
  for (const [wrong, key, message, hint] of contradictions)
    if (wrong) throw new QuorateError('LIMITS_INVALID', `${named(key)}: ${message}`, { hint });
}

/** Throws `LIMITS_INVALID` for more disk than memory where builds write to memory only. `named` says where it was set. */
export function checkDisk(
  { capabilities: { memoryBytes, diskBytes } }: Lending,
  able: Pick<SandboxAbilities, 'disk'>,
  named: Named = sayKey,
): void {
  if (able.disk || diskBytes <= memoryBytes) return;
  const [memory, disk] = sizeTexts(memoryBytes, diskBytes);
  throw new QuorateError(
    'LIMITS_INVALID',
    `${named('disk')}: what builds write is kept in memory here, of which ${memory} are lent, not ${disk}`,
    { hint: 'Lend more memory or less disk. What is missing to lend more: quorate doctor --verbose' },
  );
}

/** Of the whole host (proc_sys_kernel(5)). */
function processesMax(): number {
  const read = (name: string) => Number(readFileSync(`/proc/sys/kernel/${name}`, 'utf8'));
  return Math.min(read('pid_max'), read('threads-max'));
}

/** Throws `LIMITS_NOT_ENFORCEABLE` for a limit that the kernel of this host cannot enforce. */
export function checkHeld(
  { processorSeconds, pauseAboveLoad }: OperatorRules,
  able: SandboxAbilities,
  named: Named = sayKey,
): void {
  const refuse = (key: TermKey, why: string) =>
    new QuorateError('LIMITS_NOT_ENFORCEABLE', `${named(key)}: ${why}`, {
      hint: 'No job is taken while a limit is not enforced. Leave it out, or mount that controller: quorate doctor',
    });
  if (processorSeconds !== undefined && !able.processorTime)
    throw refuse('cpu_time', 'the kernel does not count processor time of a control group (cpuacct)');
  if (pauseAboveLoad !== undefined && !able.freeze)
    throw refuse('pause_above_load', 'builds cannot be paused (freezer)');
}

/** Priorities that have no effect on this host. */
export function unheeded({ processor, ioWeight }: OperatorRules, able: SandboxAbilities): string[] {
  const without: string[] = [];
  if (ioWeight !== undefined && !able.ioWeight)
    without.push("io: no disk of this host has a scheduler that applies it (bfq, or v2's io.cost)");
  if (processor === 'idle' && !able.idle)
    without.push(
      'processor: this kernel has no idle groups (5.15 does); builds get the smallest share instead',
    );
  return without;
}
