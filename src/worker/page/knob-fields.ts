import { sizeText } from '../../protocol/base/quantity.ts';
import { units } from '../../protocol/base/units.ts';
import { isLive, type KnobChanges, knobList, type LiveField } from '../lending-knobs.ts';
import type { Lent } from '../node/operator.ts';

type Knob = (typeof knobList)[number];

/** Resources of this host, as the upper ends of sliders. */
export interface HostSize {
  cpus: number;
  memoryBytes: number;
}

/** One limit as a field of the form. */
export type KnobFieldView = ReturnType<typeof knobFields>[number];

/** The limits that can be changed while the worker runs, in the order of worker.toml. */
export function knobFields(lent: Lent, host: HostSize) {
  return knobList.filter(isLive).map((knob) => {
    const held = lent[knob.field] as number | string | null;
    const value = textOf(knob, held);
    const { field, file, what, usually, live = '', enforcedBy, type } = knob;
    return {
      field,
      file,
      what,
      usually,
      live,
      enforcedBy,
      /** In the notation of worker.toml; `none` where there is no limit. */
      value,
      /** The same for reading, where that is shorter: `12 GiB`. */
      says: type === 'size' && typeof held === 'number' ? sizeText(held) : value,
      /** The values that the slider stops at, the present one among them; none where there are two choices only. */
      stops: type === 'priority' ? [] : stopsOf(knob, value, host),
      choices: type === 'priority' ? ['low', 'idle'] : [],
    };
  });
}

/** In the largest unit that divides it; seconds are whole, and bytes are rounded down to MiB from 1 GiB on, to KiB below. */
function textOf({ type }: Knob, value: number | string | null): string {
  if (value === null) return 'none';
  if (typeof value === 'string') return value;
  if (type === 'time') return inUnits(value, timeUnits);
  if (type === 'size') return inUnits(wholeKib(value), sizeUnits);
  if (type === 'rate') return `${inUnits(wholeKib(value), sizeUnits)}/s`;
  return String(value);
}

/** From the largest down; in KiB, and in seconds. */
const sizeUnits = { TiB: 2 ** 30, GiB: 2 ** 20, MiB: 2 ** 10, KiB: 1 };
const timeUnits = { d: 86_400, h: 3_600, m: 60, s: 1 };

function wholeKib(bytes: number): number {
  const kib = Math.floor(bytes / 2 ** 10);
  return kib < sizeUnits.GiB ? kib : kib - (kib % sizeUnits.MiB);
}

function inUnits(value: number, units: Readonly<Record<string, number>>): string {
  const fits = ([, size]: [string, number]) => size === 1 || (value >= size && value % size === 0);
  const [name = '', factor = 1] = Object.entries(units).find(fits) ?? [];
  return `${value / factor}${name}`;
}

const shares = [1, 5, 10, 20, 50, 100, 200, 500, 1000];
const times = ['5m', '15m', '30m', '1h', '2h', '4h', '8h', '12h', '1d', '2d', '7d'];
const powers = (from: number, to: number): number[] =>
  Array.from({ length: Math.floor(Math.log2(to / from)) + 1 }, (_, at) => from * 2 ** at);

function stopsOf(knob: Knob, value: string, host: HostSize): string[] {
  const stops = new Set(knob.type === 'time' ? times : amountsOf(knob, host).map((n) => textOf(knob, n)));
  if (value !== 'none') stops.add(value);
  const sorted = [...stops].sort((a, b) => (amountOf(knob, a) ?? 0) - (amountOf(knob, b) ?? 0));
  return knob.lifts ? [...sorted, 'none'] : sorted;
}

function amountsOf({ type, slider }: Knob, host: HostSize): number[] {
  if (slider !== undefined) return powers(...slider);
  if (type === 'share') return shares;
  if (type === 'rate') return powers(16 * 1024, 256 * 2 ** 20);
  if (type === 'size') return powers(64 * 2 ** 20, host.memoryBytes);
  return Array.from({ length: host.cpus }, (_, at) => at + 1);
}

/** Undefined for what is not in the notation of its type. */
function amountOf({ type }: Knob, text: string): number | undefined {
  if (type === 'size' || type === 'time' || type === 'rate') return units[type].parse(text);
  return /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : undefined;
}

const formOf = ({ type }: Knob): string =>
  type === 'size' || type === 'time' || type === 'rate' ? units[type].form : 'a whole number';

/** The changes of a form: fields with another text than the present one. `faults` names the fields that cannot be read. */
export function changesIn(
  form: Readonly<Record<string, unknown>>,
  lent: Lent,
): { changes: KnobChanges; faults: { field: LiveField; message: string }[] } {
  const changes: Partial<Record<LiveField, unknown>> = {};
  const faults: { field: LiveField; message: string }[] = [];
  for (const knob of knobList.filter(isLive)) {
    const given = form[knob.field];
    if (typeof given !== 'string') continue;
    const text = given.trim();
    if (text === textOf(knob, lent[knob.field] as number | string | null)) continue;
    const value = parsed(knob, text);
    const message = `expected ${formOf(knob)}${knob.lifts ? ', or none' : ''}`;
    if (value === undefined) faults.push({ field: knob.field, message });
    else changes[knob.field] = value;
  }
  return { changes: changes as KnobChanges, faults };
}

function parsed(knob: Knob, text: string): unknown {
  if (knob.lifts && text === 'none') return null;
  if (knob.type === 'priority') return text === 'low' || text === 'idle' ? text : undefined;
  return amountOf(knob, text);
}
