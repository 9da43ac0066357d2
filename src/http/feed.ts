import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { limits } from '../protocol/base/limits.ts';
import { keepNewest } from '../protocol/base/maps.ts';
import { LongWork } from '../store/index.ts';
import { type Answer, answerWith, artifactAnswer, etagOf, revalidate } from './answer.ts';
import { type Asker, type HttpEnv, holderOf, targetOf } from './env.ts';
import { notFound } from './errors.ts';
import { httpLimits } from './limits.ts';
import { carChunkBytes, nodeWeight } from './prices.ts';
import { Slots } from './slots.ts';
import { paid } from './stream.ts';
import type { PublicView } from './views.ts';

export const feedLists = ['offers', 'verdicts', 'charter', 'revocations', 'checkpoint'] as const;
const pathPattern = new RegExp(
  `^/v1/([A-Za-z0-9]{40,64})/(?:(${feedLists.join('|')})|(offers|revocations)\\?after=([0-9a-f]{64})|bundle/([a-z0-9]{10,100}))$`,
);

/** An answer, and what its caller calls once it is sent or has failed. */
type Released = [Answer, release: () => void];

/** Answers paths below `/v1/<project>`, matched as received, neither decoded nor normalized. */
export function feedAnswers(view: PublicView) {
  const lists = new Map<string, { answer: Promise<Answer>; until: number }>();
  const bundles = new Slots({
    max: httpLimits.bundlesMax,
    perClientMax: httpLimits.bundlesPerAddressMax,
    what: 'bundles',
  });

  async function bundleOf(which: string, { client, account, outgoing }: Asker): Promise<Released> {
    const release = bundles.take(client, holderOf(outgoing));
    try {
      // As much as sending it costs: it is read and hashed before.
      account?.pay(((await view.bundleBytes(which)) ?? 0) / httpLimits.bytesPerRequest);
      const bundle = await view.bundle(which);
      if (bundle === undefined) throw notFound(`there is no bundle of ${which}, or none yet`);
      return [await answerOf(bundle), release];
    } catch (error) {
      release();
      throw error;
    }
  }

  /** `now` in ms. @throws HTTP_NOT_FOUND, HTTP_BUSY, HTTP_TOO_MANY_REQUESTS */
  return async (target: string, now: number, asker: Asker = {}): Promise<Released> => {
    const [, project, list, next, after, which] = pathPattern.exec(target) ?? [];
    if (project !== view.project) throw notFound('no such path');
    if (which !== undefined) return bundleOf(which, asker);
    const kept = lists.get(target);
    if (kept !== undefined && now < kept.until) return [await kept.answer, () => {}];
    const answer = listOf(view, String(list ?? next), after).then(answerOf);
    // A failure is not kept.
    answer.catch(() => lists.delete(target));
    keepNewest(lists, target, { answer, until: now + httpLimits.listMs }, httpLimits.listsKeptMax);
    return [await answer, () => {}];
  };
}

async function listOf(view: PublicView, name: string, after: string | undefined): Promise<string> {
  if (name === 'offers') return boundedList(view.offers(after));
  if (name === 'verdicts') return boundedList(view.verdicts());
  if (name === 'revocations') return JSON.stringify(view.revocations(after));
  if (name === 'checkpoint') {
    const notice = view.checkpoint();
    if (notice === undefined) throw notFound('there is no checkpoint yet');
    return JSON.stringify(notice);
  }
  const charter = view.charter();
  if (charter === undefined) throw notFound('there is no charter yet');
  return JSON.stringify({ charter });
}

const json = { type: 'application/json; charset=utf-8', cache: revalidate };

async function answerOf(text: string): Promise<Answer> {
  const body = Buffer.from(text);
  return { ...json, body, etag: await etagOf(body) };
}

/** A JSON array of the first items that fit into `limits.feedBytesMax`. */
async function boundedList(items: readonly unknown[]): Promise<string> {
  const kept: string[] = [];
  let bytes = 2;
  const slices = new LongWork();
  for (const item of items) {
    const text = JSON.stringify(item);
    bytes += Buffer.byteLength(text) + 1;
    if (bytes > limits.feedBytesMax) break;
    kept.push(text);
    if (slices.isOver) await slices.next();
  }
  return `[${kept.join(',')}]`;
}

/** Paths of a trustless gateway (https://specs.ipfs.tech/http-gateways/trustless-gateway/): a CAR or a raw block. */
const targetPattern = /^\/ipfs\/([a-z2-7]{50,100})\?format=(car|raw)$/;
/** Answers with public trees as CAR streams, each with its level, and with single blocks. Clients verify the hashes. */
function gatewayAnswers(view: PublicView) {
  const trees = new Slots({
    max: httpLimits.treesMax,
    perClientMax: httpLimits.treesPerAddressMax,
    what: 'trees',
  });
  /** @throws `HTTP_NOT_FOUND`, `HTTP_BUSY` */
  return async (target: string, { client, account, outgoing }: Asker = {}): Promise<Released> => {
    const [, cid = '', format] = targetPattern.exec(target) ?? [];
    if (format === undefined) throw notFound('no such path');
    const nodes = (bytes: number) => paid(account, bytes, nodeWeight);
    if (format === 'raw') {
      const found = await view.block(cid, nodes);
      if (found === undefined) throw notFound(`there is no block ${cid} here`);
      const { bytes: body, root } = found;
      const type = 'application/vnd.ipld.raw';
      const level = view.level(root);
      return [artifactAnswer({ body, type, level, name: cid, extension: '.bin', id: cid }), () => {}];
    }
    const body = view.tree(cid, nodes);
    if (body === undefined) throw notFound(`there is no tree ${cid} here`);
    const release = trees.take(client, holderOf(outgoing));
    const type = 'application/vnd.ipld.car; version=1; order=dfs; dups=n';
    const bytes = { body, type, leastBytes: carChunkBytes, level: view.level(cid) };
    return [artifactAnswer({ ...bytes, name: cid, extension: '.car', id: cid }), release];
  };
}

/** Pages of any origin may read the feed: it is public, and no cookie is taken or sent. */
const readByAll = cors({
  origin: '*',
  allowMethods: ['GET', 'HEAD'],
  allowHeaders: ['If-None-Match', 'Range', 'If-Range'],
  exposeHeaders: [
    ...['Accept-Ranges', 'Content-Range', 'ETag', 'Quorate-Level'],
    ...['RateLimit', 'RateLimit-Policy', 'Retry-After'],
  ],
  maxAge: 86_400,
});

/** The public, read-only HTTP feed of a controller, below `/v1/` and `/ipfs/`. Clients verify all of it. */
export function feedApp(view: PublicView): Hono<HttpEnv> {
  const [feed, gateway] = [feedAnswers(view), gatewayAnswers(view)];
  const app = new Hono<HttpEnv>();
  app.use('/v1/*', readByAll);
  app.use('/ipfs/*', readByAll);
  app.get('/v1/*', async (c) => answerWith(c, ...(await feed(targetOf(c), performance.now(), c.env))));
  app.get('/ipfs/*', async (c) => answerWith(c, ...(await gateway(targetOf(c), c.env))));
  return app;
}
