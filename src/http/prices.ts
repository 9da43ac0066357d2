import { assert } from '../protocol/base/errors.ts';
import { httpLimits } from './limits.ts';

/**
 * Price of a request of each route, taken from who asks before the work: 1 is up to 20 times the processor time of a request for nothing, and
 * `httpLimits.bytesPerRequest` of an answer are 1 more. `npm run bench -- --only prices` measures them (docs/performance.md), and
 * test/http/measured-prices.test.ts holds each route to its price.
 */
export const prices: Readonly<Record<string, number>> = {
  'GET /': 1,
  'GET /.well-known/oauth-authorization-server': 1,
  'GET /:folder/': 1,
  'GET /:folder/events': 2,
  'POST /:folder/allow': 1,
  'POST /:folder/drain': 1,
  'POST /:folder/limits': 1,
  'POST /:folder/pause': 1,
  'POST /:folder/resume': 1,
  'GET /approvals': 2,
  'POST /approvals': 1,
  'GET /badge.svg': 1,
  'GET /events': 2,
  'GET /healthz': 1,
  'GET /ipfs/*': 1,
  'GET /metrics': 2,
  'GET /openapi.json': 1,
  'GET /pipelines': 2,
  'POST /pipelines': 1,
  'GET /readyz': 1,
  'GET /runs': 2,
  'GET /runs/:run': 2,
  'POST /runs/:run/acknowledge': 1,
  'POST /runs/:run/cancel': 1,
  'GET /runs/:run/events': 2,
  'GET /runs/:run/logs/:lease': 2,
  'GET /runs/:run/logs/:lease/events': 2,
  'GET /runs/:run/logs/:lease/raw': 1,
  'GET /sign-in': 1,
  'GET /sign-in/authorize': 1,
  'GET /sign-in/callback': 4,
  'POST /sign-in/challenge': 1,
  'GET /sign-in/device': 1,
  'POST /sign-in/device': 1,
  'POST /sign-in/device/confirm': 1,
  'GET /sign-in/events': 2,
  'POST /sign-in/exchange': 2,
  'POST /sign-in/key': 2,
  'GET /sign-in/link': 1,
  'POST /sign-in/link': 1,
  'POST /sign-in/renew': 2,
  'GET /sign-in/session': 1,
  'GET /sign-in/start': 4,
  'POST /sign-in/token': 1,
  'GET /sign-out': 1,
  'POST /sign-out': 1,
  'GET /static/:name': 1,
  'GET /trees/:name': 1,
  'GET /trees/:tree/file': 1,
  'GET /v1/*': 1,
  'GET /verify': 2,
  'POST /webhook': 2,
};

/** Taken from every request, also from one that no route answers. */
export const leastPrice = 1;

/** Work that not every request of its route makes; these prices are taken besides that of the route. */
export const workPrices = {
  /** The list of what an artifact was made from, made once and then kept. */
  sbom: 50,
  /** A list of the files of a tree, made once and then kept. */
  files: 4,
  /** Results of tests in a tree, read in a thread once and then kept. */
  testReport: 20,
} as const;

/** Jobs of the newest branches and tags, each looked at for the page of the project, that cost 1. */
export const jobsPerToken = 400;

/** Bytes of blocks with links, of which a tree may have as many as its builder likes, cost so many times those of an answer. */
export const nodeWeight = 10;

/** Bytes of a bundle that is verified for such a list cost so many times those of an answer. */
export const sbomWeight = 30;

/** A chunk of an archive or a file costs as much as so many bytes: an entry without any is a block that is read. */
export const tarChunkBytes = 4 * 1024;

/** The same of a CAR, where each block has two. */
export const carChunkBytes = 2 * 1024;

/** Bytes of HTML made of the lines of a log cost so many times those of other answers. */
export const logHtmlWeight = 4;

/** Bytes of the text of a log, without its colours, cost so many times those of other answers. */
export const logWeight = 3;

/** Bytes that are compressed as they are sent cost so many times those of an answer, besides what they cost anyway. */
export const compressWeight = 2;

/** Bytes of a log that is searched cost so many times those of an answer. */
export const searchWeight = 2;

const dearest = Math.max(...Object.values(prices), ...Object.values(workPrices));
assert(
  carChunkBytes < tarChunkBytes && tarChunkBytes < httpLimits.bytesPerRequest,
  'chunks are parts of a request',
);
assert(2 * dearest <= httpLimits.requestsBurst, 'what is dearest can be asked for twice');

/** The price of the handler among the routes that match a request. */
export function priceOf(matched: readonly { method: string; path: string }[]): number {
  const route = matched.findLast(({ method }) => method !== 'ALL');
  return route === undefined ? leastPrice : (prices[`${route.method} ${route.path}`] ?? leastPrice);
}
