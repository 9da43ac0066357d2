import { toUtf8 } from '../base/text.ts';
import type { Clock, Signing } from './ports.ts';

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

/** A factor between 0.9 and 1.1, so that nodes that wait for the same do not all wait the same time. */
export function spread({ nonce }: Pick<Signing, 'nonce'>): number {
  const [first = 0] = toUtf8(nonce());
  return 0.9 + (0.2 * (first % 64)) / 64;
}
