import type { Hono } from 'hono';
import type { HttpEnv } from '../../src/http/env.ts';

interface Cookie {
  value: string;
  isStrict: boolean;
}

export interface Answer {
  url: string;
  status: number;
  headers: Headers;
  text: string;
}

interface Asked {
  method?: string;
  /** Fields of a form. */
  form?: Record<string, string>;
  headers?: Record<string, string>;
  /** Origin of the page that the request comes from; undefined for an address that was typed. */
  from?: string | undefined;
}

const loginForm = /<form method="post" action="(\/interaction\/[^"]+)">/;

/**
 * A browser's part of a sign-in: cookies by host with SameSite=Strict, Fetch Metadata, redirects, the header `refresh`, and the login
 * form of the test's provider. Origins in `apps` are asked in this process, others over the network.
 */
export class WebClient {
  readonly apps: Record<string, Hono<HttpEnv>>;
  /** The person it says it is at the provider. */
  login: string;
  readonly visited: string[] = [];
  readonly #jar = new Map<string, Map<string, Cookie>>();

  constructor(apps: Record<string, Hono<HttpEnv>>, login = '') {
    this.apps = apps;
    this.login = login;
  }

  cookies(origin: string): Map<string, Cookie> {
    const jar = this.#jar.get(origin) ?? new Map<string, Cookie>();
    this.#jar.set(origin, jar);
    return jar;
  }

  /** One request. */
  async ask(address: string, asked: Asked = {}): Promise<Answer> {
    const url = new URL(address);
    const { method = asked.form === undefined ? 'GET' : 'POST', form, from } = asked;
    const site = from === undefined ? 'none' : from === url.origin ? 'same-origin' : 'cross-site';
    const sent = [...this.cookies(url.origin)].filter(
      ([, { isStrict }]) => !isStrict || site !== 'cross-site',
    );
    const body = form === undefined ? undefined : new URLSearchParams(form).toString();
    const headers: Record<string, string> = {
      accept: 'text/html',
      'sec-fetch-site': site,
      ...(from === undefined || method === 'GET' ? {} : { origin: from }),
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(body.length) }),
      ...(sent.length === 0
        ? {}
        : { cookie: sent.map(([name, { value }]) => `${name}=${value}`).join('; ') }),
      ...asked.headers,
    };
    const init = { method, headers, redirect: 'manual' as const, ...(body === undefined ? {} : { body }) };
    const app = this.apps[url.origin];
    const response = await (app === undefined ? fetch(url, init) : app.request(url.href, init));
    this.visited.push(`${method} ${url.origin}${url.pathname}`);
    this.#keep(url.origin, response.headers.getSetCookie());
    return { url: url.href, status: response.status, headers: response.headers, text: await response.text() };
  }

  /** Goes where an address leads, and signs in at the provider on the way. */
  async visit(address: string, from?: string): Promise<Answer> {
    let next: { url: string; asked: Asked } = { url: address, asked: { from } };
    for (let steps = 0; steps < 25; steps++) {
      const answer = await this.ask(next.url, next.asked);
      const { origin } = new URL(answer.url);
      const location = answer.headers.get('location');
      const onward = answer.headers.get('refresh')?.replace('0; url=', '');
      const [, form] = loginForm.exec(answer.text) ?? [];
      if (location !== null) {
        const url = new URL(location, answer.url);
        // A redirect goes on with the page that began it; once it was elsewhere it stays cross-site.
        const began = next.asked.from;
        const wasElsewhere = began !== undefined && began !== origin;
        next = {
          url: url.href,
          asked: { from: wasElsewhere ? began : began === undefined ? undefined : origin },
        };
        if (began !== undefined && url.origin !== origin) next.asked.from = origin;
      } else if (onward !== undefined) {
        next = { url: new URL(onward, answer.url).href, asked: { from: origin } };
      } else if (form !== undefined) {
        next = { url: origin + form, asked: { from: origin, form: { login: this.login } } };
      } else {
        return answer;
      }
    }
    throw new Error(`led on without end: ${this.visited.slice(-10).join(', ')}`);
  }

  #keep(origin: string, lines: readonly string[]): void {
    for (const line of lines) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      const jar = this.cookies(origin);
      if (/max-age=0/i.test(line)) jar.delete(name);
      else jar.set(name, { value, isStrict: /samesite=strict/i.test(line) });
    }
  }
}
