import type { Monitor } from '../http/monitor.ts';
import type { HealthChecks } from '../node/health.ts';
import type { NodePorts } from '../node/kernel/open-node.ts';
import { type DaemonLog, type DaemonOptions, monitorOf } from './daemon-options.ts';

/**
 * Starts a node with what its operator set, calls `use`, and closes it. `stopped` resolves on Ctrl-C, and rejects when the node failed.
 * Undefined where Ctrl-C ended the start.
 */
export async function runNode<Node extends { health: HealthChecks; close(): Promise<void> }, Result>(
  { log, options, signal }: { log: DaemonLog; options: DaemonOptions; signal: AbortSignal },
  start: (ports: NodePorts) => Promise<Node>,
  use: (node: Node, stopped: Promise<void>, monitor: Monitor | undefined) => Promise<Result>,
): Promise<Result | undefined> {
  const { promise: failure, reject } = Promise.withResolvers<never>();
  const stopped = Promise.race([aborted(signal), failure]);
  // A failure during the start is also that of the start.
  stopped.catch(() => undefined);
  const monitor = await monitorOf(log, options);
  try {
    const node = await start({
      metrics: monitor?.registry,
      signal,
      onEvent: monitor?.counted(log.log) ?? log.log,
      onFailure(error) {
        log.failed(error);
        reject(error);
      },
    });
    try {
      monitor?.watch(node.health);
      return await use(node, stopped, monitor);
    } finally {
      await node.close();
    }
  } catch (error) {
    if (signal.aborted && error === signal.reason) return undefined;
    throw error;
  } finally {
    await monitor?.close();
  }
}

export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
