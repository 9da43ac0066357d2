import { existsSync } from 'node:fs';
import type { Lending } from '../core/worker/events.ts';
import { imageCacheLimits } from '../runtime/images/limits.ts';
import type { Hours } from '../runtime/worker/hours.ts';
import { workerNodeLimits } from '../runtime/worker/limits.ts';
import type { OperatorRules } from '../runtime/worker/terms.ts';
import type { Context } from './context.ts';
import { type Exit, exits } from './exit-codes.ts';
import { bytes, duration } from './format.ts';
import type { JoinOptions } from './joining.ts';
import { lendingFrom, namedIn } from './lending.ts';
import { readWorkerFile } from './worker-file.ts';

/** Says what a worker started now would lend, from this file and the defaults; runs nothing. Errors: `WORKER_FILE_…`, `LIMITS_…`. */
export async function checkConfig({ out }: Context, path: string, options: JoinOptions): Promise<Exit> {
  const file = await readWorkerFile(path);
  const { prioritiesOf } = await import('../runtime/worker/terms.ts');
  const tiers = options.tier ?? file.tiers;
  const wanted = { ...file.lend, ...options };
  const lending = await lendingFrom(wanted, file.rules, tiers ?? [], namedIn(options, file));
  const { cpus, memoryBytes, diskBytes } = lending.capabilities;
  const { jobsAtOnce, pids, seconds } = lending;
  const rules = { ...file.rules, ...prioritiesOf(file.rules) };
  rules.imageBytes ??= imageCacheLimits.cacheBytesMax;
  rules.resultBytes ??= workerNodeLimits.resultsKeptBytesMax;
  const there = existsSync(path);
  out.value({
    file: there ? path : null,
    lends: { cpus, memoryBytes, diskBytes, jobsAtOnce, pids, seconds },
    rules,
    tiers: tiers ?? null,
  });
  out.say(there ? `${path} is right.` : `There is no ${path}: the defaults hold.`);
  const { bold } = out.colours;
  for (const [section, keys] of Object.entries(settings(lending, rules, tiers)))
    out.say(
      bold(`[${section}]`),
      ...Object.entries(keys).map(([key, value]) => `  ${key.padEnd(16)}  ${value}`),
    );
  return exits.done;
}

/** Everything that holds, under the names of worker.toml. */
function settings(
  { capabilities, jobsAtOnce, pids, seconds }: Lending,
  rules: OperatorRules,
  tiers: readonly string[] | undefined,
): Record<string, Record<string, string>> {
  const { cpus, memoryBytes, diskBytes } = capabilities;
  const { hours, pauseAboveLoad, serve, processorSeconds, upBytes, downBytes } = rules;
  const { imageBytes = 0, resultBytes = 0, privateHosts = [] } = rules;
  const time = (of: number | undefined, none: string) =>
    of === undefined ? none : `${duration(of * 1000)} a build`;
  const rate = (of: number | undefined) => (of === undefined ? 'no limit' : `${bytes(of)}/s`);
  return {
    lend: {
      cpus: String(cpus),
      memory: bytes(memoryBytes),
      disk: `${bytes(diskBytes)} a build`,
      jobs: `${jobsAtOnce} at once`,
      processes: pids === undefined ? 'no limit' : String(pids),
      time: time(seconds, 'no limit'),
      cpu_time: time(processorSeconds, 'as much as its time allows'),
      images: bytes(imageBytes),
      results: bytes(resultBytes),
    },
    priority: { processor: String(rules.processor), io: `${rules.ioWeight} of 100` },
    network: {
      up: rate(upBytes),
      down: rate(downBytes),
      private: privateHosts.join(', ') || 'nothing in your own network',
    },
    when: {
      hours: hours.map(clock).join(', ') || 'always',
      pause_above_load:
        pauseAboveLoad === undefined
          ? 'never by itself'
          : `while others keep more than ${pauseAboveLoad} processors busy`,
    },
    serve: { projects: serve?.join(', ') ?? 'what it joined' },
    sandbox: { tiers: tiers?.join(', ') ?? 'the strongest that works' },
  };
}

function clock({ from, to }: Hours): string {
  const at = (minute: number) =>
    `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
  return `${at(from)}-${at(to)}`;
}
