import { onTestFinished } from 'vitest';

/** Other bounds in a table of limits until the test ends: what is at the usual ones takes gigabytes. */
export function withLimits<T extends object>(
  table: T,
  changed: Partial<Record<keyof T, number | readonly number[]>>,
): void {
  const before = { ...table };
  Object.assign(table, changed);
  onTestFinished(() => void Object.assign(table, before));
}
