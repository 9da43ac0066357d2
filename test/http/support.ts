import { request } from 'node:http';
import { connect } from 'node:net';
import { onTestFinished } from 'vitest';
import { feedApp } from '../../src/http/feed.ts';
import { type HttpServer, listenHttp } from '../../src/http/listen.ts';
import type { PublicView } from '../../src/http/views.ts';
import { project } from '../support/project.ts';

const notice = { offer: 'a.b.c', request: 'd.e.f', publisher: 'g.h.i', job: '{}' };
export const bundleName = 'bafyreibundle';

/** The view of a controller that has published little. */
export const viewOf = (over: Partial<PublicView> = {}): PublicView => ({
  project,
  charter: () => 'c.h.a',
  offers: () => [notice],
  verdicts: () => [],
  revocations: () => ({ charters: [], revocations: [] }),
  checkpoint: () => ({ note: 'a note' }),
  block: async () => undefined,
  tree: () => undefined,
  level: () => 'trusted',
  bundle: async (which) => (which === bundleName ? '{"proof":1}' : undefined),
  bundleBytes: async () => undefined,
  ...over,
});

/** A server on a free port of 127.0.0.1, closed when the test is over. */
export async function serve(over: Partial<PublicView> = {}, idleMs?: number): Promise<HttpServer> {
  const view = viewOf(over);
  const server = await listenHttp({
    host: '127.0.0.1',
    port: 0,
    app: feedApp(view),
    names: ['x'],
    limits: idleMs === undefined ? {} : { idleMs },
  });
  onTestFinished(() => server.close());
  return server;
}

export interface Got {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

const answerCharsMax = 64 * 1024 * 1024;

/** One request, on a connection of its own, with the target exactly as given. */
export function ask(
  { port }: HttpServer,
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Got> {
  const { method = 'GET', headers = {}, body } = options;
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (text.length > answerCharsMax) response.destroy(new Error('an answer without an end'));
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
      );
      response.on('error', reject);
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

export const codeIn = ({ body }: Got): string => JSON.parse(body).error.code;

/** A bare connection that sends `first` and then what it is told; `ended` gives all it got. */
export function raw({ port }: HttpServer, first: string) {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => {
    socket.destroy();
  });
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
  });
  const ended = new Promise<{ text: string }>((resolve) => {
    socket.on('error', () => {});
    socket.on('close', () => resolve({ text }));
  });
  socket.write(first);
  return { socket, ended, text: () => text };
}
