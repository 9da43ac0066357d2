/** Waits for the end of a node: call `failed` when it fails, and await `untilStopped`. */
export function watchNode(signal: AbortSignal): {
  failed(error: unknown): void;
  /** Resolves on Ctrl-C, rejects when the node failed. */
  untilStopped: Promise<void>;
} {
  const { promise, reject } = Promise.withResolvers<never>();
  const untilStopped = Promise.race([aborted(signal), promise]);
  // A failure during the start is reported by the code that starts the node.
  untilStopped.catch(() => undefined);
  return { failed: reject, untilStopped };
}

/** Resolves when the signal is aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
