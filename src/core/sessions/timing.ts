import type { Clock } from './ports.ts';

/** Resolves after `ms`, or when the node begins to shut down. */
export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    let forget = () => {};
    const cancel = clock.after(ms, () => {
      forget();
      resolve();
    });
    forget = clock.onClosing(() => {
      cancel();
      resolve();
    });
  });
}

/** Calls `act` every `ms` until the returned function is called or the node shuts down. */
export function every(clock: Clock, ms: number, act: () => void): () => void {
  let cancel = () => {};
  const next = () => {
    cancel = clock.after(ms, () => {
      if (clock.closing) return;
      next();
      act();
    });
  };
  next();
  return () => cancel();
}
