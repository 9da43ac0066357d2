import { type Command, Option } from 'commander';
import { units } from '../../protocol/base/units.ts';
import { amountOf, orNone, wholeNumber } from '../../terminal/values.ts';
import { type KnobChanges, type KnobField, knobList } from '../lending-knobs.ts';

type Knob = (typeof knobList)[number];

const placeholders = { count: 'n', share: 'n', size: 'size', time: 'time', rate: 'rate' } as const;

function optionOf({ type, option, min }: Knob, help: string, lifts: boolean): Option {
  if (type === 'priority') return new Option(`${option} <how>`, help).choices(['low', 'idle']);
  if (!(type in placeholders)) throw new Error(`assertion failed: ${option} is of a type without an option`);
  const known = type as keyof typeof placeholders;
  const parse = known === 'count' || known === 'share' ? wholeNumber : amountOf(units[known], { min });
  return new Option(`${option} <${placeholders[known]}>`, help).argParser(lifts ? orNone(parse) : parse);
}

/** The options of `join` that are read from the table of knobs. */
export function addJoinKnobs(command: Command): Command {
  for (const knob of knobList)
    if (knob.join) command.addOption(optionOf(knob, `${knob.what} (default: ${knob.usually})`, false));
  return command;
}

/** The options of `worker limits`. */
export function addLiveKnobs(command: Command): Command {
  for (const knob of knobList)
    if (knob.option !== undefined)
      command.addOption(optionOf(knob, `${knob.what}${knob.lifts ? ', or none' : ''}`, knob.lifts === true));
  return command;
}

/** The options of `worker limits`, by the fields of a request. */
export function changesOf(options: Readonly<Record<string, unknown>>): KnobChanges {
  const changes: Partial<Record<KnobField, unknown>> = {};
  for (const knob of knobList) {
    if (knob.option === undefined) continue;
    const value = options[new Option(knob.option).attributeName()];
    if (value !== undefined) changes[knob.field] = value === 'none' ? null : value;
  }
  return changes as KnobChanges;
}
