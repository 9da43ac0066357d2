export { counted, sizeText as bytes } from '../core/quantity.ts';

/** The last six characters of an id: ids of one kind begin alike. With --json ids are printed in full. */
export function shortId(id: string): string {
  return id.length <= 16 ? id : `${id.slice(0, 7)}…${id.slice(-6)}`;
}

/** The first ten characters of a run's id, which all commands accept. */
export const shortRun = (run: string): string => run.slice(0, 10);

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

/** `2026-11-25 14:03:07Z`. */
export function when(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}

/** Left-aligned columns, two spaces apart, without trailing spaces. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, [...cell].length);
  }
  return rows.map((row) =>
    row
      .map((cell, at) =>
        at === row.length - 1 ? cell : cell + ' '.repeat((widths[at] ?? 0) - [...cell].length),
      )
      .join('  ')
      .trimEnd(),
  );
}

/** Truncates text to `width` characters, with an ellipsis. */
export function cutTo(text: string, width: number): string {
  const chars = [...text];
  return chars.length <= width ? text : `${chars.slice(0, Math.max(0, width - 1)).join('')}…`;
}
