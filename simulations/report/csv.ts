export interface Table {
  columns: readonly string[];
  rows: readonly (readonly (string | number)[])[];
}

/** The table as CSV (RFC 4180, LF), after one line `# command`. */
export function csvOf({ columns, rows }: Table, command: string): string {
  return [`# ${command}`, ...[columns, ...rows].map((row) => row.map(fieldOf).join(','))]
    .join('\n')
    .concat('\n');
}

/** Six significant digits: sums of doubles end in the same text on every host. */
const rounded = (value: number): number => Number(value.toPrecision(6));

function fieldOf(value: string | number): string {
  if (typeof value === 'number') return String(rounded(value));
  return /[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
