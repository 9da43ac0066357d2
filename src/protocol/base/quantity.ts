const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `512 B`, `1.5 KiB`, `2 GiB`: one decimal below ten. */
export function sizeText(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const text =
    value < 10 && unit > 0 ? (Math.round(value * 10) / 10).toString() : Math.round(value).toString();
  return `${text} ${units[unit]}`;
}

/** Two different sizes for one sentence: where they would read alike, in units small enough to tell them apart. */
export function sizeTexts(one: number, other: number): [string, string] {
  const [a, b] = [sizeText(one), sizeText(other)];
  if (a !== b || one === other) return [a, b];
  const unit = [3, 2, 1].find((n) => Math.floor(one / 1024 ** n) !== Math.floor(other / 1024 ** n)) ?? 0;
  const text = (count: number) => `${Math.floor(count / 1024 ** unit)} ${units[unit]}`;
  return [text(one), text(other)];
}

/** `1 job`, `2 jobs`. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;

/** `a`, `a and b`, `a, b and c`. */
export const listed = (all: readonly string[]): string =>
  all.length < 2 ? all.join('') : `${all.slice(0, -1).join(', ')} and ${all.at(-1)}`;

/** `850 ms`, `3.2 s`, `2 min 5 s`, `1 h 3 min`, `6 d 4 h`: two units at most. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 10_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  const pair = (large: number, unit: string, small: number, smallUnit: string) =>
    small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smallUnit}`;
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return pair(minutes, 'min', seconds % 60, 's');
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return pair(hours, 'h', minutes % 60, 'min');
  return pair(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

/** The text with a capital, as a sentence begins; an id or a file name at its head stays as it is. */
export const capitalised = (text: string): string =>
  /^\S*[\d…/_]/.test(text) ? text : `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
