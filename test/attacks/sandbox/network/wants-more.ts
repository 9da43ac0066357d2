import { once } from 'node:events';
import { createServer as createWeb } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';

import { ask, bystander, get, type NetworkArena, say } from './arena.ts';

export function wantsMore({ proxy, inside, codes }: NetworkArena): void {
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
    });

    it('is not led to a host at home by a name that changes (DNS rebinding)', async () => {
      const home = await bystander();
      const reached: string[] = [];
      const answers = ['93.184.215.14'];
      const rebinding = {
        targets: [{ host: 'git.example', port: home.port }],
        resolve: async () => [{ address: answers.pop() ?? '127.0.0.1' }],
        // No connection leaves this host: an outside address is only noted.
        connect: (to: string, port: number) => {
          reached.push(to);
          return connect({ host: '127.0.0.1', port: to === '127.0.0.1' ? port : 1 });
        },
      };
      const ask2 = [ask(`git.example:${home.port}`), ask(`git.example:${home.port}`)];
      const egress = await proxy([], { ...rebinding, privateTargets: [] });
      await inside(egress, ask2);
      expect(reached).toEqual(['93.184.215.14']);
      expect(codes(egress)).toEqual(['EGRESS_UNREACHABLE', 'EGRESS_ADDRESS_REFUSED']);
      expect(home.knocks()).toBe(0);
      await inside(await proxy([home.port], rebinding), ask2);
      expect(home.knocks()).toBe(2);
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
      await inside(
        await proxy([], { ...options, privateTargets: [{ host: metadata, port: 80 }] }),
        words.slice(0, 2),
      );
      expect(reached).toEqual([metadata]);
    });
  });
}
