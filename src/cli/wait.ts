/** A node that may fail on its own: `failed` is what to tell it with, `untilStopped` what to wait for. */
export function watchNode(signal: AbortSignal): {
  failed(error: unknown): void;
  /** Resolves on Ctrl-C, rejects when the node gave up. */
  untilStopped: Promise<void>;
} {
  const { promise, reject } = Promise.withResolvers<never>();
  const untilStopped = Promise.race([aborted(signal), promise]);
  // A failure while the node still starts is told by whoever starts it.
  untilStopped.catch(() => undefined);
  return { failed: reject, untilStopped };
}

/** Resolves when Ctrl-C (or whatever else aborts) came. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
