import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type ListenOptions, type Server } from 'node:net';

/** Programs that have a port of their own have it below this one. */
const lowest = 10_000;
/** One above the highest. Linux takes ports of its range for outgoing connections and for programs that listen on port 0. */
const end = (() => {
  const [first] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s/);
  return Number(first) > lowest + 1_000 ? Number(first) : 32_768;
})();

/** A port of 127.0.0.1 on which no program listens, for this process until it ends: other processes that ask here get others. */
export async function freePort(first = randomInt(lowest, end)): Promise<number> {
  const count = end - lowest;
  for (let n = 0; n < count; n++) {
    const port = lowest + ((first - lowest + n) % count);
    // A socket without a file: only its process holds it, and it is in the network namespace that the port is in.
    const lock = await listening({ path: `\0quorate-port-${port}` });
    if (lock === undefined) continue;
    const server = await listening({ port, host: '127.0.0.1' });
    if (server === undefined) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
  throw new Error(`no port from ${lowest} to ${end - 1} is free`);
}

async function listening(options: ListenOptions): Promise<Server | undefined> {
  const server = createServer().unref();
  try {
    await once(server.listen(options), 'listening');
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  }
}
