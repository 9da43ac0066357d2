import { wrapped } from '../../src/protocol/base/text.ts';

export interface Series {
  name: string;
  points: readonly (readonly [x: number, y: number])[];
  /** Without the line between its points. */
  loose?: boolean;
}

export interface Plot {
  title: string;
  x: Axis;
  y: Axis;
  series: readonly Series[];
}

const width = 480;
const left = 58;
const right = 24;
const plotHeight = 220;
const inner = width - left - right;
const lineHeight = 18;

/** Okabe and Ito's colours, darker on white and lighter on black; shapes and dashes tell series apart without them. */
const looks = [
  { light: '#0060a0', dark: '#56b4e9', dash: '', shape: 'M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z' },
  { light: '#b04a00', dark: '#f2a65a', dash: '7 3', shape: 'M-4-4h8v8h-8z' },
  { light: '#007a58', dark: '#2ec99b', dash: '2 3', shape: 'M0-5L5 4H-5z' },
  { light: '#9c3a78', dark: '#e59ac4', dash: '9 3 2 3', shape: 'M0-5.5L5.5 0 0 5.5-5.5 0z' },
  { light: '#6b5d00', dark: '#e6d84a', dash: '4 4', shape: 'M0 5L5-4H-5z' },
  {
    light: '#3d3d3d',
    dark: '#d0d0d0',
    dash: '12 4',
    shape: 'M-5-1.2h3.8V-5h2.4v3.8H5v2.4H1.2V5h-2.4V1.2H-5z',
  },
  { light: '#a11d1d', dark: '#ff8a8a', dash: '1 4', shape: 'M-4-2.5h8v5h-8z' },
  { light: '#4c42a8', dark: '#b3aaff', dash: '6 2 1 2 1 2', shape: 'M-2.5-4h5v8h-5z' },
] as const;

const style = `<style>
text{font:12px system-ui,sans-serif;fill:#1a1a1a}.title{font-size:14px;font-weight:600}.small{font-size:10px}
.ground{fill:#fff}.grid{stroke:#ddd}.axis{stroke:#555;fill:none}
${looks.map(({ light }, n) => `.s${n}{stroke:${light};fill:none;stroke-width:2}.f${n}{fill:${light}}`).join('\n')}
@media(prefers-color-scheme:dark){text{fill:#eee}.ground{fill:#14171a}.grid{stroke:#333}.axis{stroke:#aaa}
${looks.map(({ dark }, n) => `.s${n}{stroke:${dark}}.f${n}{fill:${dark}}`).join('\n')}}
</style>`;

/** An SVG picture of at most eight series, the same text for the same arguments. Its last line is the command that makes it. */
export function svgOf({ title, x, y, series }: Plot, command: string): string {
  const across = measure(
    x,
    series.flatMap(({ points }) => points.map(([at]) => at)),
  );
  const up = measure(
    y,
    series.flatMap(({ points }) => points.map(([, at]) => at)),
  );
  const titles = wrapped(title, 54);
  const top = 14 + titles.length * lineHeight + lineHeight;
  const bottom = top + plotHeight;
  const px = (value: number) => fixed(left + inner * clamped(across.place(value)));
  const py = (value: number) => fixed(bottom - plotHeight * clamped(up.place(value)));
  const commands = wrapped(command, 78);
  const legendTop = bottom + 3 * lineHeight + 2;
  const height = legendTop + lineHeight * series.length + 14 * commands.length;
  const lines = series.map(({ points, loose }, n) => {
    const { dash, shape } = lookOf(n);
    const path = points.map(([at, value], i) => `${i === 0 ? 'M' : 'L'}${px(at)} ${py(value)}`).join('');
    const marks = points.map(
      ([at, value]) => `<path class="f${n}" d="${shape}" transform="translate(${px(at)} ${py(value)})"/>`,
    );
    return [
      ...(loose === true ? [] : [`<path class="s${n}" stroke-dasharray="${dash}" d="${path}"/>`]),
      ...marks,
    ];
  });
  const legend = series.map(({ name, loose }, n) => {
    const at = legendTop + n * lineHeight;
    const { dash, shape } = lookOf(n);
    const line =
      loose === true ? '' : `<path class="s${n}" stroke-dasharray="${dash}" d="M${left} ${at - 4}h36"/>`;
    return `${line}<path class="f${n}" d="${shape}" transform="translate(${left + 18} ${at - 4})"/><text x="${left + 44}" y="${at}">${escaped(name)}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="t d">`,
    `<title id="t">${escaped(title)}</title><desc id="d">${escaped(describe(series, x, y, command))}</desc>`,
    style,
    `<rect class="ground" width="${width}" height="${height}"/>`,
    ...titles.map(
      (line, n) => `<text class="title" x="8" y="${20 + n * lineHeight}">${escaped(line)}</text>`,
    ),
    `<text x="8" y="${top - 10}">${escaped(y.label)}</text>`,
    ...up.ticks.map(
      ({ at, text }) =>
        `<path class="grid" d="M${left} ${py(at)}h${inner}"/><text x="${left - 6}" y="${py(at) + 4}" text-anchor="end">${escaped(text)}</text>`,
    ),
    ...across.ticks.map(
      ({ at, text }) =>
        `<path class="axis" d="M${px(at)} ${bottom}v4"/><text x="${px(at)}" y="${bottom + 17}" text-anchor="middle">${escaped(text)}</text>`,
    ),
    `<path class="axis" d="M${left} ${top}V${bottom}H${width - right}"/>`,
    `<text x="${left + inner / 2}" y="${bottom + 34}" text-anchor="middle">${escaped(x.label)}</text>`,
    ...lines.flat(),
    ...legend,
    ...commands.map(
      (line, n) =>
        `<text class="small" x="8" y="${legendTop + lineHeight * series.length + 14 * n}">${escaped(line)}</text>`,
    ),
    '</svg>\n',
  ].join('\n');
}

function describe(series: readonly Series[], x: Axis, y: Axis, command: string): string {
  const shown = (axis: Axis, value: number) => axis.names?.[value] ?? String(Number(value.toPrecision(4)));
  const ends = series.map(({ name, points }) => {
    const [first, last] = [points[0], points.at(-1)];
    if (first === undefined || last === undefined) return `${name}: no points`;
    return `${name}: ${shown(y, first[1])} at ${shown(x, first[0])}, ${shown(y, last[1])} at ${shown(x, last[0])}`;
  });
  return `${y.label} over ${x.label}. ${ends.join('; ')}. Made by: ${command}`;
}

function lookOf(n: number): (typeof looks)[number] {
  const look = looks[n];
  if (look === undefined) throw new Error(`a plot has at most ${looks.length} series`);
  return look;
}

const fixed = (value: number): number => Number(value.toFixed(1));
const clamped = (place: number): number => Math.min(1, Math.max(0, place));

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

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
