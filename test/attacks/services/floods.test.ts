import { connect, type Socket } from 'node:net';
import { Hono } from 'hono';
import { describe, expect, it, onTestFinished } from 'vitest';
import { addTreeRoutes } from '../../../src/controller/page/tree-routes.ts';
import type { HttpEnv } from '../../../src/http/env.ts';
import { httpLimits } from '../../../src/http/limits.ts';
import { type HttpServer, type ListenLimits, listenHttp, wholeApp } from '../../../src/http/listen.ts';
import { signInLimits } from '../../../src/http/sign-in/limits.ts';
import { type Authority, Sessions } from '../../../src/http/sign-in/sessions.ts';
import { watchApp, webhookBytesMax } from '../../../src/watcher/page/index.ts';
import { ask, raw } from '../../http/support.ts';
import { startSignIn } from '../../support/sign-in.ts';
import { WebClient } from '../../support/web-client.ts';

const tree = `bafybei${'a'.repeat(52)}`;

async function served(app: Hono<HttpEnv>, limits: Partial<ListenLimits> = {}): Promise<HttpServer> {
  const server = await listenHttp({ host: '127.0.0.1', port: 0, app, limits: { idleMs: 60_000, ...limits } });
  onTestFinished(() => server.close());
  return server;
}

/** A connection from another address of this host that sends so much and no more. */
function half({ port }: HttpServer, localAddress: string, text: string): Socket {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  socket.on('error', () => {}).resume();
  onTestFinished(() => void socket.destroy());
  socket.write(text);
  return socket;
}

/** The status that somebody from yet another address gets; 0 for none. */
function statusFor({ port }: HttpServer, localAddress = '127.0.0.9', path = '/'): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    socket.on('error', () => resolve(0));
    socket.on('close', () => resolve(0));
    socket.on('data', (bytes) => {
      resolve(Number(bytes.toString('latin1', 9, 12)));
      socket.destroy();
    });
    socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
  });
}

const connected = (sockets: readonly Socket[]) =>
  Promise.all(sockets.map((socket) => new Promise((resolve) => void socket.once('connect', resolve))));

describe('somebody who sends requests by halves, from eight addresses', () => {
  const small = () => new Hono<HttpEnv>().get('/', (c) => c.text('hello'));
  const limits = { connectionsMax: 64, connectionsPerAddressMax: 8 };
  const attack = async (server: HttpServer) => {
    const all = Array.from({ length: 64 }, (_, n) =>
      half(server, `127.0.3.${1 + Math.floor(n / 8)}`, 'GET / HTTP/1.1\r\nhost: localhost\r\n'),
    );
    await connected(all);
    return all;
  };

  it('keeps nobody else out: the connections that wait longest make room', async () => {
    const server = await served(small(), limits);
    const all = await attack(server);
    for (let n = 0; n < 10; n++) expect(await statusFor(server)).toBe(200);
    // More of the same, from addresses that have room again, change nothing.
    await connected(all.filter(({ closed }) => closed).map(() => half(server, '127.0.3.99', 'GET')));
    expect(await statusFor(server)).toBe(200);
  });

  it('keeps all others out where no place is kept free: the control', async () => {
    const server = await served(small(), { ...limits, connectionsKeptFree: 0 });
    await attack(server);
    expect(await statusFor(server)).toBe(0);
  });

  it('has no answer cut off that somebody is given', async () => {
    const answer = Promise.withResolvers<string>();
    const app = small().get('/slow', async (c) => c.text(await answer.promise));
    const server = await served(app, limits);
    const slow = ask(server, '/slow');
    await attack(server);
    for (let n = 0; n < 10; n++) expect(await statusFor(server)).toBe(200);
    answer.resolve('late');
    expect((await slow).body).toBe('late');
  });
});

describe('somebody who asks and reads nothing of the answers, from eight addresses', () => {
  const limits = { connectionsMax: 32, connectionsPerAddressMax: 4 };
  const big = 'x'.repeat(8 * 1024 * 1024);
  const app = () => new Hono<HttpEnv>().get('/', (c) => c.text('hello')).get('/big', (c) => c.text(big));
  /** One after the other, so that each has an answer before the next one comes: it waits for nothing then. */
  const attack = async (server: HttpServer) => {
    for (let n = 0; n < 32; n++) {
      const address = `127.0.3.${1 + Math.floor(n / 4)}`;
      const socket = half(server, address, 'GET /big HTTP/1.1\r\nhost: localhost\r\n\r\n');
      await new Promise((resolve) =>
        socket.once('data', () => resolve(socket.pause())).once('close', resolve),
      );
    }
  };

  it('keeps nobody else out: answers that are not read make room', async () => {
    const server = await served(app(), limits);
    await attack(server);
    for (let n = 0; n < 10; n++) expect(await statusFor(server)).toBe(200);
  });

  it('keeps all others out where no place is kept free: the control', async () => {
    const server = await served(app(), { ...limits, connectionsKeptFree: 0 });
    await attack(server);
    expect(await statusFor(server)).toBe(0);
  });
});

describe('somebody who keeps as many connections open for nothing as one address may have', () => {
  const own = '127.0.0.9';

  /** The status that others at that address get; `head`: on each of the connections. */
  async function attack(head: string, answered: number): Promise<number> {
    let asked = 0;
    const app = new Hono<HttpEnv>().get('/', (c) => c.text('hello'));
    app.get('/slow', async (c) => {
      asked += 1;
      return c.text(await new Promise<string>(() => {}));
    });
    const server = await served(app, { connectionsPerAddressMax: 8 });
    await connected(Array.from({ length: 8 }, () => half(server, own, head)));
    await expect.poll(() => asked).toBe(answered);
    return statusFor(server, own);
  }

  it('keeps nobody out who shares the address', async () => {
    expect(await attack('GET / HTTP/1.1\r\n', 0)).toBe(200);
  });

  it('control: keeps out whoever comes while something is answered on each', async () => {
    expect(await attack('GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n', 8)).toBe(0);
  });
});

describe('somebody who sends bodies of webhooks by halves', () => {
  it('has so many in memory at once, and the webhook of the forge comes through', async () => {
    const taken: number[] = [];
    const app = watchApp({
      version: '1',
      label: 'quorate',
      badge: () => undefined,
      webhook: { take: ({ body }) => void taken.push(body.length) },
    });
    const rate = { requestsPerSecond: 1_000, requestsBurst: 1_000 };
    const server = await served(app, { bodyBytesMax: webhookBytesMax, ...rate });
    const { bodiesMax } = httpLimits;
    const head = `POST /webhook HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${webhookBytesMax}\r\n\r\n`;
    const all = Array.from({ length: 2 * bodiesMax }, (_, n) =>
      half(server, `127.0.3.${1 + Math.floor(n / 40)}`, `${head}x`),
    );
    await expect.poll(() => all.filter(({ closed }) => !closed).length).toBeLessThanOrEqual(bodiesMax);
    const got = await ask(server, '/webhook', {
      method: 'POST',
      body: 'push',
      headers: { 'content-length': '4' },
    });
    expect([got.status, taken]).toEqual([202, [4]]);
  });
});

describe('somebody who asks for files of a tree and leaves', () => {
  it('has no work done for it any more, and takes no more slots than one address may', async () => {
    const asked: AbortSignal[] = [];
    const app = new Hono<HttpEnv>();
    const entry = (_tree: string, _path: string, { signal }: { signal: AbortSignal }) => {
      asked.push(signal);
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    };
    addTreeRoutes(app, { isShown: () => true, level: () => 'trusted', entry } as never, '1');
    const server = await served(app);
    const { treesPerAddressMax } = httpLimits;
    const wish = `GET /trees/${tree}/file?path=many%2Fnofile HTTP/1.1\r\nhost: localhost\r\n\r\n`;
    const all = Array.from({ length: treesPerAddressMax }, () => raw(server, wish));
    await expect.poll(() => asked).toHaveLength(treesPerAddressMax);
    // The slot is taken before the tree is looked at.
    expect((await ask(server, `/trees/${tree}/file?path=x`)).status).toBe(503);
    expect(asked).toHaveLength(treesPerAddressMax);
    for (const { socket } of all) socket.destroy();
    await expect.poll(() => asked.every(({ aborted }) => aborted)).toBe(true);
    raw(server, wish);
    await expect.poll(() => asked).toHaveLength(treesPerAddressMax + 1);
  });
});

describe('somebody who has two addresses and takes their time over downloads', () => {
  /** The status that an honest client gets while two addresses hold all the downloads that they may. */
  async function attack(): Promise<number> {
    const app = new Hono<HttpEnv>();
    const held = new Set<string>();
    const entry = (_tree: string, path: string) => {
      if (path === 'honest') return Promise.resolve({ kind: 'file', cid: 'bafkreia', size: 0 });
      held.add(path);
      return new Promise(() => {});
    };
    async function* file() {}
    addTreeRoutes(app, { isShown: () => true, level: () => 'trusted', entry, file } as never, '1');
    const server = await served(app);
    const { treesMax } = httpLimits;
    const wishes = Array.from({ length: treesMax }, (_, n) => {
      const wish = `GET /trees/${tree}/file?path=${n} HTTP/1.1\r\nhost: localhost\r\n\r\n`;
      const socket = half(server, `127.0.4.${1 + (n % 2)}`, wish);
      return new Promise((resolve) => socket.once('data', resolve).once('close', resolve));
    });
    let refused = 0;
    for (const wish of wishes) void wish.then(() => refused++);
    await expect.poll(() => held.size + refused).toBe(treesMax);
    return (await ask(server, `/trees/${tree}/file?path=honest`)).status;
  }

  it('leaves some for others', async () => {
    expect(await attack()).toBe(200);
  });

  it('takes all of them where no part is for those who have none: the control', async () => {
    const before = { ...httpLimits };
    Object.assign(httpLimits, { crowdedShare: 1 });
    onTestFinished(() => void Object.assign(httpLimits, before));
    expect(await attack()).toBe(503);
  });
});

describe('somebody who comes back from a provider again and again', () => {
  it('has it asked only so many things at once, and others sign in', async () => {
    const origin = 'http://127.0.0.1:4994';
    const answers: PromiseWithResolvers<never>[] = [];
    let begun = 0;
    const authority: Authority = {
      host: 'login.example',
      begin: async () => {
        const state = `state${begun++}`;
        const url = new URL(`https://login.example/auth?state=${state}`);
        return { url, checks: { state, nonce: 'n', verifier: 'v' } };
      },
      finish: (callback) => {
        if (callback.searchParams.get('code') === 'ada')
          return Promise.resolve({ person: 'ada', name: 'ada', role: () => 'reader' as const });
        const answer = Promise.withResolvers<never>();
        answers.push(answer);
        return answer.promise;
      },
    };
    const signed = await startSignIn(`origin = "${origin}"`, { authority });
    onTestFinished(() => signed.close());
    const whole = wholeApp(signed.app);
    /** The same for each address, as `listenHttp` passes it on. */
    const from = (client: string) => ({
      request: (url: string, init?: RequestInit) => whole.request(url, init, { client } as never),
    });
    const comeBack = async (client: string, code: string) => {
      const browser = new WebClient({ [origin]: from(client) as never });
      const begin = await browser.ask(`${origin}/sign-in/start`);
      const state = new URL(begin.headers.get('location') ?? '').searchParams.get('state');
      return browser.ask(`${origin}/sign-in/callback?code=${code}&state=${state}`);
    };
    const { providerAsksPerAddressMax } = signInLimits;
    const held = Array.from({ length: providerAsksPerAddressMax }, () => comeBack('192.0.2.1', 'x'));
    await expect.poll(() => answers).toHaveLength(providerAsksPerAddressMax);
    expect((await comeBack('192.0.2.1', 'x')).status).toBe(503);
    expect(answers).toHaveLength(providerAsksPerAddressMax);
    expect((await comeBack('192.0.2.2', 'ada')).status).toBe(200);
    for (const { reject } of answers) reject(new Error('given up'));
    await Promise.allSettled(held);
    expect((await comeBack('192.0.2.1', 'ada')).status).toBe(200);
  });
});

describe('thousands of sessions', () => {
  it('are looked through a few at a time: whoever asks meanwhile is answered', async () => {
    const lifetimes = () => ({ sessionMs: 1e9, idleMs: 1e9 });
    const sessions = new Sessions({ lifetimes, now: () => Date.now() });
    onTestFinished(() => sessions.close());
    let turn = 0;
    let turning = true;
    const count = () => {
      turn++;
      if (turning) setImmediate(count);
    };
    const turns = new Set<number>();
    let watched = 0;
    const role = () => {
      // The first look at all of them.
      if (watched > 0 && watched-- > 0) {
        turns.add(turn);
        // As dear as rules of an owner that look at many groups.
        for (const end = performance.now() + 0.05; performance.now() < end; );
      }
      return 'reader' as const;
    };
    for (let n = 0; n < 2_000; n++) sessions.start({ person: String(n), name: 'x', role }, 'browser');
    watched = 2_000;
    setImmediate(count);
    await expect.poll(() => turns.size).toBeGreaterThan(10);
    turning = false;
  });
});
