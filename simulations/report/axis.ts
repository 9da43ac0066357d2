export interface Axis {
  /** With its unit: `attackers (% of operators)`. */
  label: string;
  scale?: 'linear' | 'log';
  /** First and last value; by default those of the points, and 0 on a linear axis. On a log axis smaller values are drawn at `from`. */
  from?: number;
  to?: number;
  /** Instead of numbers: the names of the values 0, 1, 2, … */
  names?: readonly string[];
}

export interface Tick {
  at: number;
  text: string;
}

/** An axis of these values: 0 … 1 for each value that is drawn, and the ticks. */
export function measure(
  axis: Axis,
  values: readonly number[],
): { place: (value: number) => number; ticks: Tick[] } {
  const { names } = axis;
  if (names !== undefined)
    return {
      place: (value) => (value + 0.5) / names.length,
      ticks: names.map((text, at) => ({ at, text })),
    };
  if (axis.scale === 'log') return logarithmic(axis, values);
  const from = axis.from ?? Math.min(0, ...values);
  const step = niceStep(((axis.to ?? Math.max(from, ...values)) - from || 1) / 5);
  const to = axis.to ?? from + step * Math.ceil((Math.max(from, ...values) - from) / step || 1);
  const count = Math.floor((to - from) / step + 1e-9);
  const ticks = Array.from({ length: count + 1 }, (_, n) => tick(from + n * step));
  return { place: (value) => (value - from) / (to - from), ticks };
}

function logarithmic(axis: Axis, values: readonly number[]) {
  const shown = values.filter((value) => value > 0);
  const low = Math.floor(Math.log10(axis.from ?? (shown.length > 0 ? Math.min(...shown) : 1)) + 1e-9);
  const high = Math.max(low + 1, Math.ceil(Math.log10(axis.to ?? Math.max(...shown, 10 ** low)) - 1e-9));
  const every = Math.ceil((high - low) / 7);
  const ticks = Array.from({ length: Math.floor((high - low) / every) + 1 }, (_, n) =>
    tick(10 ** (low + n * every)),
  );
  const place = (value: number) => (Math.max(low, value > 0 ? Math.log10(value) : low) - low) / (high - low);
  const [least, ...others] = ticks;
  const isCut = values.some((value) => value < 0.999 * 10 ** low);
  if (!isCut || least === undefined) return { place, ticks };
  return { place, ticks: [{ ...least, text: `≤ ${least.text}` }, ...others] };
}

/** 1, 2 or 5 times a power of ten. */
function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((factor) => factor * power >= rough * 0.999) ?? 10);
}

function tick(value: number): Tick {
  const exact = Number(value.toPrecision(12));
  const text =
    Math.abs(exact) >= 1e6 ? exact.toExponential(0).replace('e+', 'e') : exact.toLocaleString('en');
  return { at: value, text: exact !== 0 && Math.abs(exact) < 1e-3 ? exact.toExponential(0) : text };
}
