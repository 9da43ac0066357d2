import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { listen } from '../source/support.ts';
import { codesOf, connectTo, egressTo, get, say } from './support.ts';

/** The target of a name that is resolved when the test says so, and whether it was asked for. */
function resolvedLater(port: number) {
  const found = Promise.withResolvers<{ address: string }[]>();
  const asked = Promise.withResolvers<void>();
  const resolve = () => {
    asked.resolve();
    return found.promise;
  };
  const target = { host: 'late.example', port };
  return {
    target,
    options: { targets: [target], privateTargets: [{ host: '127.0.0.1', port }], resolve },
    asked: asked.promise,
    resolved: () => found.resolve([{ address: '127.0.0.1' }]),
  };
}

/** A server that does not hang up, and notes what it hears. It is gone when nobody reads what it says after the end of its client. */
async function silent(): Promise<{ port: number; heard: string[]; gone: Promise<void> }> {
  const heard: string[] = [];
  const gone = Promise.withResolvers<void>();
  const port = await listen((socket) => {
    socket.allowHalfOpen = true;
    socket.on('data', (chunk) => heard.push(chunk.toString()));
    const talk = (): void => void socket.write('still here', () => setImmediate(talk));
    socket.once('end', talk);
    socket.once('close', () => gone.resolve());
  });
  return { port, heard, gone: gone.promise };
}

describe('CONNECT', () => {
  it('makes a tunnel to what is allowed, and counts what goes through', async () => {
    const port = await listen((socket) => {
      socket.once('data', (chunk) => socket.end(`you said ${chunk.toString()}`));
    });
    const egress = await egressTo(port);
    const answer = await say(egress, connectTo(`127.0.0.1:${port}`, 'hello'));
    expect(answer).toBe('HTTP/1.1 200 Connection established\r\n\r\nyou said hello');
    expect(egress.counts).toEqual({ connections: 1, refused: 0, received: 14, sent: 5 });
  });

  it('brings all of what a server sends before it hangs up', async () => {
    const bytes = randomBytes(700_000);
    const port = await listen((socket) => socket.end(bytes));
    const answer = await say(await egressTo(port), connectTo(`127.0.0.1:${port}`));
    expect(answer.length).toBe('HTTP/1.1 200 Connection established\r\n\r\n'.length + bytes.length);
  });

  it.each([
    ['another port', '127.0.0.1:1'],
    ['another host', 'localhost:PORT'],
    ['another spelling of the host', '0x7f.1:PORT'],
    ['nothing', ''],
    ['no port', '127.0.0.1'],
    ['a port there is not', '127.0.0.1:99999'],
    ['a user', 'a@127.0.0.1:PORT'],
  ])('to %s is refused and told', async (_, host) => {
    let asked = 0;
    const port = await listen(() => {
      asked++;
    });
    const told: string[] = [];
    const egress = await egressTo(port, { onRefusal: ({ code }) => told.push(code) });
    expect(await say(egress, connectTo(host.replace('PORT', String(port))))).toMatch(/^HTTP\/1.1 403 /);
    expect(told).toEqual(['EGRESS_NOT_ALLOWED']);
    expect(egress.counts.refused).toBe(1);
    expect(asked).toBe(0);
  });

  it('to a server that is not there says so', async () => {
    const egress = await egressTo(1);
    expect(await say(egress, connectTo('127.0.0.1:1'))).toMatch(/^HTTP\/1.1 502 /);
    expect(codesOf(egress)).toEqual(['EGRESS_UNREACHABLE']);
  });

  it('to a name that nobody knows says so', async () => {
    const target = [{ host: 'git.example', port: 80 }];
    const resolve = () => Promise.reject(new Error('ENOTFOUND'));
    const egress = await egressTo(1, { targets: target, resolve });
    expect(await say(egress, connectTo('git.example:80'))).toMatch(/^HTTP\/1.1 502 /);
    expect(codesOf(egress)).toEqual(['EGRESS_UNREACHABLE']);
  });
});

describe('a client that leaves', () => {
  it.each([
    ['a tunnel', connectTo('late.example:PORT')],
    ['a request', get('http://late.example:PORT/')],
  ])('before the server of %s is reached, is not waited for', async (_, text) => {
    const { port, heard, gone } = await silent();
    const { options, asked, resolved } = resolvedLater(port);
    const egress = await egressTo(port, options);
    const client = connect(egress.socket);
    client.write(text.replace('PORT', String(port)));
    await asked;
    client.destroy();
    // The proxy has seen its end when it answers another one.
    await say(egress, connectTo('other.example:1'));
    resolved();
    await gone;
    expect(heard).toEqual([]);
  });

  it.each([
    ['a tunnel', (port: number) => connectTo(`127.0.0.1:${port}`, 'hello')],
    ['a request', (port: number) => get(`http://127.0.0.1:${port}/`)],
  ])('ends the connection of %s to the server', async (_, text) => {
    const { port, heard, gone } = await silent();
    const egress = await egressTo(port);
    const client = connect(egress.socket);
    client.write(text(port));
    await expect.poll(() => heard.length).toBe(1);
    client.destroy();
    await gone;
  });

  it('within its request is no refusal', async () => {
    const egress = await egressTo(1);
    const client = connect(egress.socket).resume();
    client.end('CONNECT 127.0');
    await once(client, 'close');
    expect(codesOf(egress)).toEqual([]);
  });
});

describe('a server that breaks off', () => {
  const broken = () => listen((socket) => void socket.once('data', () => socket.resetAndDestroy()));

  it('ends the tunnel', async () => {
    const port = await broken();
    const egress = await egressTo(port);
    expect(await say(egress, connectTo(`127.0.0.1:${port}`, 'hello'))).toMatch(/^HTTP\/1.1 200 /);
    expect(egress.counts.sent).toBe(5);
  });

  it('breaks a connection of this process', async () => {
    const port = await broken();
    const egress = await egressTo(port);
    const tunnel = await egress.connect({ host: '127.0.0.1', port });
    tunnel.write('hello');
    await expect(text(tunnel)).rejects.toMatchObject({ code: 'ECONNRESET' });
  });
});

describe('a connection of this process', () => {
  it('carries bytes both ways, which are counted, and its end', async () => {
    const port = await listen((socket) => {
      socket.allowHalfOpen = true;
      let said = '';
      socket.on('data', (chunk) => {
        said += chunk.toString();
      });
      socket.on('end', () => socket.end(`you said ${said}`));
    });
    const egress = await egressTo(port);
    const tunnel = await egress.connect({ host: '127.0.0.1', port });
    tunnel.end('hello');
    expect(await text(tunnel)).toBe('you said hello');
    expect(egress.counts).toMatchObject({ sent: 5, received: 14 });
  });

  it('ends at its server when it is destroyed', async () => {
    const { port, gone } = await silent();
    const egress = await egressTo(port);
    (await egress.connect({ host: '127.0.0.1', port })).destroy();
    await gone;
  });

  it('is not made where the proxy was closed while its name was resolved', async () => {
    let opened = 0;
    const port = await listen(() => {
      opened++;
    });
    const { target, options, asked, resolved } = resolvedLater(port);
    const egress = await egressTo(port, options);
    const connecting = egress.connect(target);
    await asked;
    await egress.close();
    resolved();
    await expect(connecting).rejects.toThrow('the proxy is closed');
    expect(opened).toBe(0);
  });

  it('beyond all that there may be closes the proxy, once', async () => {
    let opened = 0;
    const port = await listen(() => {
      opened++;
    });
    const egress = await egressTo(port, { connectionsTotalMax: 2 });
    const target = { host: '127.0.0.1', port };
    const tunnels = [await egress.connect(target), await egress.connect(target)];
    const cut = tunnels.map((tunnel) => once(tunnel, 'close'));
    for (let n = 0; n < 2; n++) await expect(egress.connect(target)).rejects.toThrow('the proxy is closed');
    await Promise.all(cut);
    expect(opened).toBe(2);
    expect(codesOf(egress)).toEqual(['EGRESS_LIMIT_EXCEEDED', 'EGRESS_UNREACHABLE', 'EGRESS_UNREACHABLE']);
  });

  it('goes where a tunnel may, is counted as one, and is refused with the reason', async () => {
    const port = await listen((socket) => socket.end('hello'));
    const egress = await egressTo(port);
    expect(await text(await egress.connect({ host: '127.0.0.1', port }))).toBe('hello');
    for (const target of [
      { host: '127.0.0.1', port: port - 1 },
      { host: 'other.example', port },
    ])
      await expect(egress.connect(target)).rejects.toMatchObject({ code: 'EGRESS_NOT_ALLOWED' });
    expect(codesOf(egress)).toEqual(['EGRESS_NOT_ALLOWED', 'EGRESS_NOT_ALLOWED']);
    expect(egress.counts).toEqual({ connections: 3, refused: 2, received: 5, sent: 0 });
  });

  it('is refused too where its server is not there', async () => {
    const egress = await egressTo(1);
    await expect(egress.connect({ host: '127.0.0.1', port: 1 })).rejects.toMatchObject({
      code: 'EGRESS_UNREACHABLE',
    });
  });
});

describe('closing', () => {
  it('ends what is open, on both sides, and the socket is gone', async () => {
    let [opened, closed] = [0, 0];
    const port = await listen((socket) => {
      opened++;
      socket.resume().on('close', () => closed++);
    });
    const egress = await egressTo(port);
    const open = say(egress, connectTo(`127.0.0.1:${port}`));
    await expect.poll(() => opened).toBe(1);
    await egress.close();
    await open;
    await expect.poll(() => closed).toBe(1);
    await expect(once(connect(egress.socket), 'connect')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is not needed by a socket whose path is too long: that is an error that says so', async () => {
    await expect(egressTo(1, { dir: `/tmp/${'d'.repeat(200)}` })).rejects.toMatchObject({
      code: 'EGRESS_UNAVAILABLE',
    });
  });
});
