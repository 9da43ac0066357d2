import { existsSync } from 'node:fs';
import type { Hours } from '../runtime/hours.ts';
import type { Context } from './context.ts';
import { type Exit, exits } from './exit-codes.ts';
import type { JoinOptions } from './joining.ts';
import { describeLending, lendingFrom } from './lending.ts';
import { readWorkerFile } from './worker-file.ts';

/** Says what a worker started now would lend, from this file and the defaults; runs nothing. Errors: `WORKER_FILE_…`, `LIMITS_…`. */
export async function checkConfig({ out }: Context, path: string, options: JoinOptions): Promise<Exit> {
  const { rules, lend, tiers: inFile } = await readWorkerFile(path);
  const tiers = options.tier ?? inFile;
  const lending = await lendingFrom({ ...lend, ...options }, rules, tiers ?? []);
  const { cpus, memoryBytes, diskBytes } = lending.capabilities;
  const there = existsSync(path);
  const { jobsAtOnce, pids, seconds } = lending;
  out.value({
    file: there ? path : null,
    lends: { cpus, memoryBytes, diskBytes, jobsAtOnce, pids, seconds },
    rules,
    tiers: tiers ?? null,
  });
  const { hours, pauseAboveLoad, serve, upBytes, downBytes } = rules;
  out.say(there ? `${path} is right.` : `There is no ${path}: the defaults hold.`);
  out.say(
    ...describeLending(lending).filter((line) => !line.includes(' sandbox ')),
    `  sandbox     ${tiers?.join(', ') ?? 'the strongest that works'}`,
    `  hours       ${hours.length === 0 ? 'always' : hours.map(clock).join(', ')}`,
    `  pause       ${pauseAboveLoad === undefined ? 'never by itself' : `while others keep more than ${pauseAboveLoad} processors busy`}`,
    `  serves      ${serve === undefined ? 'what it joined' : `${serve.length} project(s)`}`,
    ...(upBytes === undefined && downBytes === undefined
      ? []
      : [`  network     up ${upBytes ?? 'no limit'}, down ${downBytes ?? 'no limit'} bytes a second`]),
  );
  return exits.done;
}

function clock({ from, to }: Hours): string {
  const at = (minute: number) =>
    `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
  return `${at(from)}-${at(to)}`;
}
