import { Hono } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { HttpEnv } from './env.ts';
import { notFound, type Refusal, refusalOf, refusalResponse } from './errors.ts';
import { leastPrice, priceOf } from './prices.ts';
import { addSecurityHeaders } from './security-headers.ts';

/** The page of an error, for clients that prefer HTML. */
export type ErrorPage = (refusal: Refusal) => string | Promise<string>;

/**
 * An app with what every answer has: security headers, errors as code and message, its price taken before, and its bytes counted. `listenHttp` serves apps
 * so; a test can call one without a socket.
 */
export function wholeApp(app: Hono<HttpEnv>, errorPage?: ErrorPage): Hono<HttpEnv> {
  const whole = new Hono<HttpEnv>();
  const tell = async (accept: string | undefined, refusal: Refusal) =>
    errorPage !== undefined && accept?.includes('text/html') === true
      ? refusalResponse(refusal, { body: await errorPage(refusal), type: 'text/html; charset=utf-8' })
      : refusalResponse(refusal);
  whole.use(addSecurityHeaders);
  whole.use(async (c, next) => {
    c.env?.account?.pay(priceOf(matchedRoutes(c)) - leastPrice);
    await next();
    if (c.get('isCounted') !== true) c.env?.account?.sent(Number(c.res.headers.get('content-length') ?? 0));
  });
  whole.route('/', app);
  whole.notFound((c) => tell(c.req.header('accept'), refusalOf(notFound('no such path'))));
  whole.onError((error, c) => tell(c.req.header('accept'), refusalOf(error)));
  return whole;
}
