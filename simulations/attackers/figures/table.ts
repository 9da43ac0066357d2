import type { Table } from '../../report/csv.ts';

export const percents = [0, 10, 20, 30, 40, 50, 60];

/** The number in `column` of the one row with these values; throws where there is another number of such rows. */
export function cellOf(
  { columns, rows }: Table,
  where: Readonly<Record<string, string | number>>,
  column: string,
): number {
  const at = (name: string) => columns.indexOf(name);
  const found = rows.filter((row) =>
    Object.entries(where).every(([name, value]) => String(row[at(name)]) === String(value)),
  );
  const [row] = found;
  if (row === undefined || found.length > 1)
    throw new Error(`${found.length} rows have ${JSON.stringify(where)}`);
  const cell = row[at(column)];
  return cell === '' || cell === undefined ? Number.NaN : Number(cell);
}

/** Wilson's interval for a share of `jobs`: 95 % for z = 1.96. */
export function interval(share: number, jobs: number, z = 1.96): { low: number; high: number } {
  const middle = share + (z * z) / (2 * jobs);
  const half = z * Math.sqrt((share * (1 - share)) / jobs + (z * z) / (4 * jobs * jobs));
  const whole = 1 + (z * z) / jobs;
  return { low: Math.max(0, (middle - half) / whole), high: Math.min(1, (middle + half) / whole) };
}

/** 0.1038 → `10.4 %`. Shares below a tenth of a percent keep one digit. */
export function percent(share: number): string {
  const value = share * 100;
  if (value === 0 || value >= 10) return `${Number(value.toFixed(value === 100 ? 0 : 1))} %`;
  return `${Number(value.toPrecision(value >= 1 ? 2 : 1))} %`;
}
