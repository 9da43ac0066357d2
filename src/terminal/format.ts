import { isoTime } from '../protocol/base/time.ts';

export { counted, duration, sizeText as bytes } from '../protocol/base/quantity.ts';
export { shortId } from '../protocol/base/short-id.ts';

/** The first ten characters of a run's id, which all commands accept. */
export const shortRun = (run: string): string => run.slice(0, 10);

/** `2026-11-25 14:03:07Z`. */
export function when(ms: number): string {
  return `${isoTime(ms).slice(0, 19).replace('T', ' ')}Z`;
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

export function cutTo(text: string, width: number): string {
  const chars = [...text];
  return chars.length <= width ? text : `${chars.slice(0, Math.max(0, width - 1)).join('')}…`;
}
