import { type Observe, Violation } from '../observer.ts';

/** No honest worker signs two roots for one size of the log of one key, whatever it is shown and whenever it died in between. */
export function witnesses(): Observe {
  /** Root by worker, log key and size. */
  const signed = new Map<string, Map<number, string>>();
  return (seen) => {
    if (seen.kind !== 'witnessed') return;
    const { worker, log, size, root } = seen;
    const key = `${worker} ${log}`;
    const roots = signed.get(key) ?? new Map<number, string>();
    signed.set(key, roots);
    const before = roots.get(size);
    if (before !== undefined && before !== root)
      throw new Violation(`a worker witnessed two logs of ${size} leaves`);
    roots.set(size, root);
  };
}
