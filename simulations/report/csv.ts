export interface Table {
  columns: readonly string[];
  rows: readonly (readonly (string | number)[])[];
}

/** A table of records that all have the same members. */
export function tableOf(records: readonly Readonly<Record<string, string | number>>[]): Table {
  const columns = Object.keys(records[0] ?? {});
  return { columns, rows: records.map((record) => columns.map((column) => record[column] ?? '')) };
}

/** The table as CSV (RFC 4180, LF), after one line `# command`. Empty: there is no such number. */
export function csvOf({ columns, rows }: Table, command: string): string {
  return [`# ${command}`, ...[columns, ...rows].map((row) => row.map(fieldOf).join(','))]
    .join('\n')
    .concat('\n');
}

/** Reads a table that `csvOf` wrote: each field as text. */
export function tableFrom(csv: string): Table {
  const [, columns = [], ...rows] = csv.trimEnd().split('\n').map(fieldsOf);
  return { columns, rows };
}

function fieldsOf(line: string): string[] {
  return [...`,${line}`.matchAll(/,(?:"((?:[^"]|"")*)"|([^,"]*))/g)].map(([, quoted, plain = '']) =>
    quoted === undefined ? plain : quoted.replaceAll('""', '"'),
  );
}

/** Six significant digits: sums of doubles end in the same text on every host. */
const rounded = (value: number): number => Number(value.toPrecision(6));

function fieldOf(value: string | number): string {
  if (typeof value === 'number') return Number.isFinite(value) ? String(rounded(value)) : '';
  return /[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
