import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { egressLimits } from '../../src/egress/limits.ts';
import { RefusalRows } from '../../src/egress/proxy.ts';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { listen } from '../source/support.ts';
import { withLimits } from '../support/with-limits.ts';
import { codesOf, connectTo, egressTo, say } from './support.ts';

describe('a build that repeats requests which are always refused', () => {
  const ask = (port: number) => [
    connectTo(`b:${port}`),
    `GET http://b:${port}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
  ];

  it('is given up once, after many refusals of one destination in a row, in tunnels and requests', async () => {
    const reasons: string[] = [];
    withLimits(egressLimits, { refusalsInARowMax: 4 });
    const egress = await egressTo(1, {
      onHopeless: ({ code, message }) => reasons.push(`${code}: ${message}`),
    });
    // Other destinations do not count.
    for (const port of [1, 2, 3]) for (const text of ask(port)) await say(egress, text);
    await say(egress, String(ask(2)[0]));
    expect(reasons).toEqual([]);
    for (const text of [...ask(2), ...ask(3)]) await say(egress, text);
    expect(reasons).toEqual([
      'EGRESS_REFUSED_REPEATEDLY: 4 requests in a row for b:2 were refused: EGRESS_NOT_ALLOWED: a connection to b:2 was refused',
    ]);
  });

  it('counts from the start again when the destination is reached', async () => {
    const reasons: string[] = [];
    const port = await listen((socket) => socket.end());
    let up = false;
    const there = [{ host: 'c', port }];
    withLimits(egressLimits, { refusalsInARowMax: 2 });
    const flaky = await egressTo(port, {
      targets: there,
      onHopeless: ({ code }: { code: string }) => reasons.push(code),
      connect: (_, at) => connect({ host: '127.0.0.1', port: up ? at : 1 }),
      resolve: async () => [{ address: '93.184.216.34' }],
    });
    for (const now of [false, true, false, true]) {
      up = now;
      await say(flaky, connectTo(`c:${port}`));
    }
    expect(codesOf(flaky)).toEqual(['EGRESS_UNREACHABLE', 'EGRESS_UNREACHABLE']);
    expect(reasons).toEqual([]);
    up = false;
    for (let n = 0; n < 2; n++) await say(flaky, connectTo(`c:${port}`));
    expect(reasons).toEqual(['EGRESS_REFUSED_REPEATEDLY']);
  });

  it('is given up when a limit is exceeded', async () => {
    const reasons: string[] = [];
    const port = await listen((socket) => socket.end(Buffer.alloc(5000)));
    const egress = await egressTo(port, {
      receivedBytesMax: 1000,
      onHopeless: ({ code }) => reasons.push(code),
    });
    for (let n = 0; n < 2; n++) await say(egress, connectTo(`127.0.0.1:${port}`));
    expect(reasons).toEqual(['EGRESS_LIMIT_EXCEEDED']);
  });

  it('is forgotten, the oldest destination first, when there are too many', async () => {
    withLimits(egressLimits, { refusalsInARowMax: 2 });
    const rows = new RefusalRows();
    const refusal = new QuorateError('EGRESS_NOT_ALLOWED', 'no', { hint: 'ask for less' });
    const refused = (port: number) => rows.refused({ host: 'a', port }, refusal);
    expect([refused(0), refused(0)]).toMatchObject([
      undefined,
      { code: 'EGRESS_REFUSED_REPEATEDLY', hint: 'ask for less' },
    ]);
    for (let port = 1; port <= 256; port++) refused(port);
    expect(refused(0)).toBe(undefined);
  });

  it('is given up after 128 refusals in a row by default', async () => {
    const reasons: string[] = [];
    const target = { host: 'b', port: 1 };
    const egress = await egressTo(1, { onHopeless: ({ code }) => reasons.push(code) });
    const ask = () => egress.connect(target).catch(() => {});
    for (let n = 1; n < 128; n++) await ask();
    expect(reasons).toEqual([]);
    await ask();
    expect(reasons).toEqual(['EGRESS_REFUSED_REPEATEDLY']);
  });
});
