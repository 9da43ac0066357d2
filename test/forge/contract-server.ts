import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Recorded {
  method: string;
  path: string;
  query: Record<string, string>;
  headers: Record<string, string | undefined>;
  body: string;
}

export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body?: unknown;
}

/** A forge on loopback that records what it is asked, and answers as its contract says. */
export class ContractServer {
  readonly requests: Recorded[] = [];
  readonly #server: Server;
  #answer: (request: Recorded) => Answer;

  private constructor(server: Server, answer: (request: Recorded) => Answer) {
    [this.#server, this.#answer] = [server, answer];
  }

  static async start(answer: (request: Recorded) => Answer = () => ({ body: {} })): Promise<ContractServer> {
    const server = createServer((request, response) => {
      void read(request).then((body) => {
        const url = new URL(request.url ?? '/', 'http://forge');
        const recorded: Recorded = {
          method: request.method ?? '',
          path: url.pathname,
          query: Object.fromEntries(url.searchParams),
          headers: request.headers as Record<string, string | undefined>,
          body,
        };
        made.requests.push(recorded);
        const { status = 200, headers = {}, body: said = {} } = made.#answer(recorded);
        response.writeHead(status, { 'content-type': 'application/json', ...headers });
        response.end(typeof said === 'string' ? said : JSON.stringify(said));
      });
    });
    const made = new ContractServer(server, answer);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return made;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  answer(answer: (request: Recorded) => Answer): void {
    this.#answer = answer;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function read(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}
