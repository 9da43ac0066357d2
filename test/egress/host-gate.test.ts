import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { HostGate, type HostLimits } from '../../src/egress/index.ts';
import { egressLimits } from '../../src/egress/limits.ts';
import { listen } from '../source/support.ts';
import { codesOf, connectTo, egressTo, say } from './support.ts';

const minuteMs = 60_000;

function gated(limits: Partial<HostLimits> = {}) {
  let now = 0;
  const told: string[] = [];
  const spent: string[][] = [];
  const gate: HostGate = new HostGate({
    limits: { connections: 10, bytes: 1000, ...limits },
    allows: ({ host }) => !host.endsWith('evil.example'),
    onAddress: (host, address, before) => told.push(`${host} ${address} after ${before.join()}`),
    onSpent: () => spent.push(gate.spent),
    now: () => now,
  });
  const open = (host: string, address: string) => gate.open({ host, port: 443 }, address);
  return {
    gate,
    told,
    spent,
    open,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

const limited = expect.objectContaining({ code: 'EGRESS_HOST_LIMIT' });

describe('the gate of a worker', () => {
  it('refuses a host that is not allowed', () => {
    const { gate } = gated();
    expect(() => gate.check({ host: 'evil.example', port: 443 })).toThrow('has not allowed');
    gate.check({ host: 'git.example', port: 443 });
  });

  it('advises a command that a shell takes as it is, whatever the host is called', () => {
    const { gate } = gated();
    const hint = "The operator allows it with: quorate worker allow '$(id).evil.example:80'";
    expect(() => gate.check({ host: '$(id).evil.example', port: 80 })).toThrow(
      expect.objectContaining({ hint }),
    );
  });

  it('counts connections to a host over all its addresses, in any hour', () => {
    const { gate, open, pass } = gated();
    for (let n = 0; n < 10; n++) {
      open('git.example', `192.0.2.${n}`).close();
      pass(minuteMs);
    }
    expect(() => open('git.example', '192.0.2.99')).toThrow(limited);
    expect(() => gate.check({ host: 'GIT.example', port: 443 })).toThrow(limited);
    open('other.example', '198.51.100.1').close();
    // One minute after another the first ones are an hour old.
    pass(50 * minuteMs);
    open('git.example', '192.0.2.99').close();
    expect(() => open('git.example', '192.0.2.99')).toThrow(limited);
    pass(61 * minuteMs);
    open('git.example', '192.0.2.99').close();
  });

  it('counts connections to an address over all its names', () => {
    const { open } = gated();
    for (let n = 0; n < 10; n++) open(`name${n}.example`, '192.0.2.1').close();
    expect(() => open('another.example', '192.0.2.1')).toThrow(limited);
    open('another.example', '192.0.2.2').close();
  });

  it('counts connections to all addresses of one /64', () => {
    const { open } = gated();
    for (let n = 1; n <= 10; n++) open(`name${n}.example`, `2001:db8::${n}`).close();
    expect(() => open('another.example', '2001:db8::ffff')).toThrow(limited);
    open('another.example', '2001:db8:0:1::1').close();
  });

  it('counts bytes of both directions, and ends a connection above the limit', () => {
    const { gate, open, pass } = gated();
    const [one, two] = [open('a.example', '192.0.2.1'), open('b.example', '192.0.2.1')];
    expect(one.moved('receivedBytes', 600)).toBeUndefined();
    expect(two.moved('sentBytes', 400)).toBeUndefined();
    expect(two.moved('sentBytes', 1)).toEqual(limited);
    expect(() => open('c.example', '192.0.2.1')).toThrow(limited);
    pass(61 * minuteMs);
    open('c.example', '192.0.2.1').close();
    expect(gate.traffic).toMatchObject([
      { host: 'a.example', addresses: ['192.0.2.1'], connections: 1, open: 1, receivedBytes: 600 },
      { host: 'b.example', sentBytes: 401 },
      { host: 'c.example', open: 0 },
    ]);
  });

  it('counts open connections until they are closed, once each', () => {
    const { open } = gated({ connections: 1000 });
    const all = Array.from({ length: egressLimits.hostOpenMax }, () => open('git.example', '192.0.2.1'));
    expect(() => open('git.example', '192.0.2.2')).toThrow(limited);
    all[0]?.close();
    all[0]?.close();
    open('git.example', '192.0.2.1');
    expect(() => open('git.example', '192.0.2.1')).toThrow(limited);
  });

  it('connects until the limit of bytes is exceeded, and tells when one is', () => {
    const { gate, open, spent, pass } = gated();
    open('a.example', '192.0.2.1').moved('sentBytes', 1000);
    expect(gate.spent).toEqual([]);
    const last = open('a.example', '192.0.2.1');
    expect(spent).toEqual([]);
    last.moved('receivedBytes', 1);
    expect(spent).toEqual([['a.example', '192.0.2.1']]);
    for (let n = 0; n < 10; n++) open('b.example', '192.0.2.2');
    expect(spent[1]).toEqual(['a.example', '192.0.2.1', 'b.example', '192.0.2.2']);
    expect(spent).toHaveLength(2);
    pass(60 * minuteMs);
    expect(gate.spent).toEqual([]);
  });

  type Open = ReturnType<typeof gated>['open'];
  const fill = (open: Open, hostsAndAddresses: number) => {
    for (let n = 0; n < hostsAndAddresses / 2; n++)
      open(`name${n}.example`, `10.0.${n >> 8}.${n & 255}`).close();
  };

  it('has room for 4096 hosts and addresses, and forgets those of an hour ago', () => {
    const { open, pass } = gated();
    fill(open, 4094);
    for (const one of ['198.51.100.1', '198.51.100.2']) open(one, one).close();
    expect(() => open('198.51.100.3', '198.51.100.3')).toThrow(limited);
    pass(61 * minuteMs);
    open('198.51.100.3', '198.51.100.3').close();
  });

  it('does not forget one that is open, or that bytes of the last hour came from', () => {
    const { open, pass } = gated({ connections: 1000 });
    for (let n = 0; n < 63; n++) open('192.0.2.1', '192.0.2.1');
    const other = open('192.0.2.2', '192.0.2.2');
    pass(61 * minuteMs);
    other.moved('receivedBytes', 1001);
    other.close();
    fill(open, 4094);
    expect(() => open('192.0.2.2', '192.0.2.2')).toThrow('1000 B within an hour');
    open('192.0.2.1', '192.0.2.1');
    expect(() => open('192.0.2.1', '192.0.2.1')).toThrow('64 open connections');
  });

  it('shows 128 hosts, those that are open among them, and the last 16 addresses of each', () => {
    const { gate, open } = gated({ connections: 1000 });
    open('open.example', '192.0.2.1');
    for (let n = 0; n < 140; n++) open(`name${n}.example`, '192.0.2.2').close();
    for (let n = 0; n < 40; n++) open('name139.example', `192.0.2.${n}`).close();
    const { traffic } = gate;
    expect(traffic).toHaveLength(egressLimits.hostsShownMax);
    expect(traffic.slice(0, 2).map(({ host }) => host)).toEqual(['open.example', 'name13.example']);
    const addresses = Array.from({ length: 16 }, (_, n) => `192.0.2.${n + 24}`);
    expect(traffic.at(-1)).toMatchObject({ host: 'name139.example', addresses });
  });

  it('tells of another address of a host, of few of them', () => {
    const { told, open } = gated({ connections: 1000 });
    open('git.example', '192.0.2.1');
    open('git.example', '192.0.2.1');
    expect(told).toEqual([]);
    open('git.example', '192.0.2.2');
    open('git.example', '192.0.2.1');
    expect(told).toEqual(['git.example 192.0.2.2 after 192.0.2.1']);
    for (let n = 3; n < 40; n++) open('git.example', `192.0.2.${n}`).close();
    expect(told).toHaveLength(egressLimits.hostAddressesToldMax);
  });
});

describe('a proxy with a gate', () => {
  it('cuts a connection at the limit of bytes, and has its build ended', async () => {
    const { gate } = gated({ bytes: 10_000 });
    const port = await listen((socket) => socket.write(Buffer.alloc(1_000_000)));
    const reasons: string[] = [];
    const egress = await egressTo(port, { gate, onHopeless: ({ code }) => reasons.push(code) });
    await say(egress, connectTo(`127.0.0.1:${port}`));
    expect([codesOf(egress), reasons]).toEqual([['EGRESS_HOST_LIMIT'], ['EGRESS_HOST_LIMIT']]);
    expect(await say(egress, connectTo(`127.0.0.1:${port}`))).toMatch(/^HTTP\/1.1 403 .*EGRESS_HOST_LIMIT/s);
    expect(gate.traffic).toMatchObject([{ connections: 1, open: 0 }]);
  });

  it('tells once of a connection that is cut, whatever its client still sends', async () => {
    const { gate } = gated({ bytes: 10 });
    const port = await listen((socket) => socket.resume());
    const egress = await egressTo(port, { gate });
    const client = connect({ path: egress.socket, allowHalfOpen: true });
    client.write(connectTo(`127.0.0.1:${port}`, 'hello hello hello'));
    client.resume();
    await once(client, 'end');
    client.end('hello again');
    await once(client, 'close');
    expect(codesOf(egress)).toEqual(['EGRESS_HOST_LIMIT']);
  });

  it('counts each attempt, also of a server that is not there', async () => {
    const { gate } = gated();
    const egress = await egressTo(1, { gate });
    for (let n = 0; n < 11; n++) await say(egress, connectTo('127.0.0.1:1'));
    expect(codesOf(egress).at(-1)).toBe('EGRESS_UNREACHABLE');
    expect(gate.traffic).toMatchObject([{ connections: 10 }]);
  });

  it('says what is refused of a server that is not listed as before, whoever allows it', async () => {
    const { gate } = gated();
    const egress = await egressTo(1, { gate });
    await say(egress, connectTo('evil.example:443'));
    expect(codesOf(egress)).toEqual(['EGRESS_NOT_ALLOWED']);
  });
});
