import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createWeb } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { exited, processesOfJobs, uniqueSleep } from '../../../sandbox/support.ts';
import { listen } from '../../../source/support.ts';

import { ask, bystander, get, type NetworkArena } from './arena.ts';

const run = promisify(execFile);

export function usesIt({ proxy, inside, onHost }: NetworkArena): void {
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
}

export function leavesNothing({ proxy, inside }: NetworkArena): void {
  // Also after all that was tried before.
  describe('after a build with a network', () => {
    it('no process, connection or socket of it is left, however it ended', async () => {
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

    it('the next one works, and has its network', async () => {
      const { port } = await bystander();
      const ran = await inside(await proxy([port]), [ask(`127.0.0.1:${port}`)]);
      expect(ran.log).toContain(' 200 ');
      expect(ran.outcome).toEqual(exited(0));
    });
  });
}
