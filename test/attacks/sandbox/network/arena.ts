import { afterAll, beforeAll, onTestFinished } from 'vitest';
import type { Sandbox } from '../../../../sandbox/index.ts';
import { type Egress, openEgressProxy } from '../../../../src/egress/index.ts';
import { MiB, type Play, play, type Ran, tempFolder } from '../../../sandbox/support.ts';
import { listen } from '../../../source/support.ts';

export interface NetworkTier {
  /** The tier as it is offered. Its builds need bash and perl. */
  open(stateDir: string): Promise<Sandbox>;
  /** The control: the same where a build is in the network of the host. */
  openToHost(stateDir: string): Promise<Sandbox>;
  /** Builds have unix sockets of their own in every case: no guard stands there, so none can be taken away. */
  ownUnixSockets?: boolean;
  /**
   * Why a build cannot open connections by the thousand. The bound of all of them is the worker's, the same for each tier, and
   * is looked at in those where it can be reached.
   */
  slowToConnect?: string;
  /** Image and needs of builds, where they are not the usual. */
  more?: Play;
}

/** Words of bash that say something to an address, and print the first line of the answer. */
export const say = (port: number, text: string, host = '127.0.0.1'): string =>
  `bash -c 'exec 3<>/dev/tcp/${host}/${port} && printf "${text}" >&3 && head -n 1 <&3'`;
export const ask = (host: string): string => say(3128, `CONNECT ${host} HTTP/1.1\\r\\n\\r\\n`);
export const get = (url: string): string =>
  `bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128; printf "GET ${url} HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n" >&3; cat <&3'`;

/** A server on a port of the host's loopback that counts who comes. */
export async function bystander(): Promise<{ port: number; knocks: () => number }> {
  let knocks = 0;
  const port = await listen((socket) => {
    knocks++;
    socket.end('hello\n');
  });
  return { port, knocks: () => knocks };
}

/** Pours out bytes as long as somebody takes them. */
export async function fountain(bytesMax: number): Promise<{ port: number; written: () => number }> {
  let written = 0;
  const port = await listen((socket) => {
    const more = (): void => {
      while (written < bytesMax && socket.writable) {
        written += 65_536;
        if (!socket.write(Buffer.alloc(65_536, 'x'))) return;
      }
      if (written >= bytesMax) socket.end();
    };
    socket.resume().on('drain', more);
    more();
  });
  return { port, written: () => written };
}

/** A tier that is open while its tests run, the proxy of a worker, and builds that use it. */
export function networkArena({ open, openToHost, more = {} }: NetworkTier) {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let sandbox: Sandbox;
  let toHost: Sandbox;
  beforeAll(async () => {
    folder = await tempFolder();
    sandbox = await open(folder.path);
    toHost = await openToHost(folder.path);
  });
  afterAll(() => folder?.remove());

  /** The proxy as a worker opens it; leads to these ports of the loopback, unless told otherwise. */
  async function proxy(
    ports: number[],
    options: Partial<Parameters<typeof openEgressProxy>[0]> = {},
  ): Promise<Egress> {
    const dir = await tempFolder();
    const here = ports.map((port) => ({ host: '127.0.0.1', port }));
    const egress = await openEgressProxy({
      dir: dir.path,
      targets: here,
      privateTargets: here,
      receivedBytesMax: 64 * MiB,
      ...options,
    });
    onTestFinished(async () => {
      await egress.close();
      await dir.remove();
    });
    return egress;
  }
  const inside = (egress: Egress | undefined, steps: string[], options: Play = {}): Promise<Ran> =>
    play(sandbox, steps, {
      ...more,
      ...options,
      ...(egress !== undefined && { network: { socket: egress.socket } }),
    });
  /** The control: the same words in a build that is in the host's network. */
  const onHost = (steps: string[], options: Play = {}): Promise<Ran> =>
    play(toHost, steps, { ...more, ...options });
  const codes = ({ refusals }: Egress): string[] => refusals.map(({ code }) => code);
  return { proxy, inside, onHost, codes };
}

export type NetworkArena = ReturnType<typeof networkArena>;
