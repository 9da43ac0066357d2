import { existsSync } from 'node:fs';
import type { Context } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { bytes, duration } from '../../terminal/format.ts';
import { type KnobField, type knobList, knobs, knobsIn, sectionNames } from '../lending-knobs.ts';
import type { Lending } from '../machine/events.ts';
import type { Hours } from '../node/hours.ts';
import type { OperatorRules } from '../node/terms.ts';
import type { JoinOptions } from './joining.ts';
import { lendingFrom, namedIn } from './lending.ts';
import { readWorkerFile } from './worker-file.ts';

/** Says what a worker started now would lend, from this file and the defaults; runs nothing. @throws `WORKER_FILE_…`, `LIMITS_…`. */
export async function checkConfig({ out }: Context, path: string, options: JoinOptions): Promise<Exit> {
  const file = await readWorkerFile(path);
  const { prioritiesOf } = await import('../node/terms.ts');
  const tiers = options.tier ?? file.tiers;
  const wanted = { ...file.lend, ...options };
  const lending = await lendingFrom(wanted, file.rules, tiers ?? [], namedIn(options, file));
  const { cpus, memoryBytes, diskBytes } = lending.capabilities;
  const { jobsAtOnce, pids, seconds } = lending;
  const rules = { ...file.rules, ...prioritiesOf(file.rules) };
  rules.imageBytes ??= knobs.imageBytes.default;
  rules.resultBytes ??= knobs.resultBytes.default;
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
  { capabilities, ...lending }: Lending,
  rules: OperatorRules,
  tiers: readonly string[] | undefined,
): Record<string, Record<string, string>> {
  const values: Partial<Record<KnobField, unknown>> = { ...capabilities, ...lending, ...rules, tiers };
  return Object.fromEntries(
    sectionNames.map((section) => [
      section,
      Object.fromEntries(knobsIn(section).map((knob) => [knob.key, said(knob, values[knob.field])])),
    ]),
  );
}

function said({ type, usually, suffix }: (typeof knobList)[number], value: unknown): string {
  const isEmpty = Array.isArray(value) && value.length === 0;
  if (type === 'allowed' && isEmpty) return 'none; `quorate worker allow` adds others';
  if (value === undefined || isEmpty) return usually;
  const text = typeof value === 'number' ? numbers[type]?.(value) : undefined;
  const list = Array.isArray(value) ? value.map((one) => (type === 'hours' ? clock(one) : one)) : [value];
  return `${text ?? list.join(', ')}${suffix === undefined ? '' : ` ${suffix}`}`;
}

const numbers: { [type in (typeof knobList)[number]['type']]?: (value: number) => string } = {
  size: bytes,
  time: (seconds) => duration(seconds * 1000),
  rate: (perSecond) => `${bytes(perSecond)}/s`,
};

function clock({ from, to }: Hours): string {
  const at = (minute: number) =>
    `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
  return `${at(from)}-${at(to)}`;
}
