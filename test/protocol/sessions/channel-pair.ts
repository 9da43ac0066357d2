import type { Channel } from '../../../src/protocol/sessions/ports.ts';

/** Two ends of a stream. */
export function pair(): [Channel, Channel] {
  const queues: Uint8Array[][] = [[], []];
  const waiting: ((message: Uint8Array | undefined) => void)[][] = [[], []];
  let closed = false;
  const end = (n: number): Channel => ({
    peer: `peer ${n}`,
    get closed() {
      return closed;
    },
    async send(message) {
      const wake = waiting[1 - n]?.shift();
      if (wake === undefined) queues[1 - n]?.push(message);
      else wake(message);
    },
    receive: () => {
      const found = queues[n]?.shift();
      if (found !== undefined || closed) return Promise.resolve(found);
      return new Promise((resolve) => waiting[n]?.push(resolve));
    },
    async close() {
      closed = true;
      for (const wake of waiting.flat()) wake(undefined);
    },
    abort: () => {},
  });
  return [end(0), end(1)];
}
