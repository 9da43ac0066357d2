import { type Checker, Violation } from '../observer.ts';

/** No honest worker signs two roots for one size of the log, whatever it is shown and whenever it died in between. */
export function witnesses(): Checker {
  const invariant = 'witnesses';
  /** Root by worker and size. */
  const signed = new Map<string, Map<number, string>>();
  return {
    invariant,
    observe(seen) {
      if (seen.kind !== 'witnessed') return;
      const { worker, size, root } = seen;
      const roots = signed.get(worker) ?? new Map<number, string>();
      signed.set(worker, roots);
      const before = roots.get(size);
      if (before !== undefined && before !== root)
        throw new Violation(invariant, `a worker witnessed two logs of ${size} leaves`);
      roots.set(size, root);
    },
  };
}
