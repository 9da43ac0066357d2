import { describe, expect, it } from 'vitest';
import { sandboxLimits } from '../../../../sandbox/limits.ts';
import { MiB } from '../../../sandbox/support.ts';
import { listen } from '../../../source/support.ts';
import { withLimits } from '../../../support/with-limits.ts';
import { fountain, type NetworkArena, type NetworkTier } from './arena.ts';

export function takesWhatItCan({ proxy, inside, codes }: NetworkArena, { slowToConnect }: NetworkTier): void {
  describe('a build that takes what it can', () => {
    it('gets no more bytes than may be received, whatever the connections', async () => {
      const pour = 8 * MiB;
      const take = (port: number) =>
        `bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128; printf "CONNECT 127.0.0.1:${port} HTTP/1.1\\r\\n\\r\\n" >&3; cat <&3' | wc -c`;
      const source = await fountain(pour);
      const capped = await proxy([source.port], { receivedBytesMax: 2 * MiB });
      const ran = await inside(capped, [take(source.port), take(source.port)]);
      const [first = 0, second = 0] = ran.log.trim().split('\n').map(Number);
      expect(first + second).toBeLessThan(3 * MiB);
      expect(codes(capped)).toContain('EGRESS_LIMIT_EXCEEDED');
      const free = await fountain(pour);
      const all = await inside(await proxy([free.port]), [take(free.port)]);
      expect(Number(all.log)).toBeGreaterThanOrEqual(pour);
    });

    it('sends out no more bytes than may be sent', async () => {
      const give = (port: number) =>
        `bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128; printf "CONNECT 127.0.0.1:${port} HTTP/1.1\\r\\n\\r\\n" >&3; head -n 1 <&3; head -c ${8 * MiB} /dev/zero >&3; head -c 1 <&3' || true`;
      let heard = 0;
      const port = await listen((socket) => {
        socket.on('data', (chunk) => {
          heard += chunk.length;
          // The build waits for it: what is on its way when it ends is not sent any more.
          if (heard > 4 * MiB && heard - chunk.length <= 4 * MiB) socket.write('.');
        });
      });
      await inside(await proxy([port], { sentBytesMax: 1 * MiB }), [give(port)]);
      expect(heard).toBeLessThan(3 * MiB);
      heard = 0;
      await inside(await proxy([port]), [give(port)]);
      expect(heard).toBeGreaterThan(4 * MiB);
    });

    it('and never reads it, has the server wait, not the worker keep it', async () => {
      const pour = 32 * MiB;
      const [held, read] = [await fountain(pour), await fountain(pour)];
      const egress = await proxy([held.port, read.port], { receivedBytesMax: 3 * pour });
      const ask = (fd: number, port: number) =>
        `exec ${fd}<>/dev/tcp/127.0.0.1/3128; printf "CONNECT 127.0.0.1:${port} HTTP/1.1\\r\\n\\r\\n" >&${fd}`;
      // Another one of that size passes whole meanwhile: the first would have come as well.
      const both = `${ask(3, held.port)}; head -n 1 <&3; ${ask(4, read.port)}; cat <&4 > /dev/null`;
      await inside(egress, [`bash -c '${both}'`]);
      expect(read.written()).toBe(pour);
      expect(held.written()).toBeGreaterThan(0);
      expect(held.written()).toBeLessThan(pour / 2);
      expect(egress.counts.received).toBeLessThan(pour + pour / 2);
    });

    const knocks = async (): Promise<void> => {
      withLimits(sandboxLimits, { egressConnectionsTotalMax: 512 });
      const { egressConnectionsMax: most, egressConnectionsTotalMax: total } = sandboxLimits;
      // It keeps as many as may be open, and opens more than may wait for the worker besides.
      const knock = `perl -MSocket -e 'for (1..${total + 1500}) { socket(my $s, AF_INET, SOCK_STREAM, 0); connect($s, sockaddr_in(3128, inet_aton("127.0.0.1"))) ? $n++ : $refused++; push @held, $s if @held < ${most} } print "$n $refused"'`;
      const egress = await proxy([], { connectionsMax: most });
      const ran = await inside(egress, [knock]);
      const [opened = 0, refused = 0] = ran.log.split(' ').map(Number);
      expect(opened).toBeGreaterThanOrEqual(total);
      expect(opened).toBeLessThan(total + 1000);
      expect(refused).toBeGreaterThan(500);
    };
    if (slowToConnect === undefined) it('knocks without end, and the worker stops to open', knocks);
  });
}
