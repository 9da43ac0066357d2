import { type ErrorCode, QuorateError } from '../protocol/base/errors.ts';
import { TooManyRequests } from './accounts.ts';

/** HTTP status of each code that a client is told. Any other error is 500 and says nothing of what it was. */
const statusOf: Partial<Record<ErrorCode, number>> = {
  LENDER_NOT_ADMITTED: 403,
  LENDER_REQUEST_FORGED: 403,
  HTTP_NOT_FOUND: 404,
  HTTP_METHOD_NOT_ALLOWED: 405,
  HTTP_LENGTH_REQUIRED: 411,
  HTTP_BODY_TOO_LARGE: 413,
  HTTP_FORWARDED_INVALID: 400,
  HTTP_HOST_UNKNOWN: 421,
  HTTP_TOO_MANY_REQUESTS: 429,
  HTTP_BUSY: 503,
  BUNDLE_BUSY: 503,
  BUNDLE_DAMAGED: 503,
  CONTROLLER_ASKING: 503,
  CONTROLLER_STOPPED: 503,
  CANCEL_PUBLISHER_MISMATCH: 403,
  RUN_OVER: 409,
  JOB_UNKNOWN: 404,
  NOT_TRUSTED: 404,
  ARTIFACT_OF_TEST: 404,
  EXPORT_NOTHING_BUILT: 404,
  EXPORT_TOO_LARGE: 503,
  JOB_AMBIGUOUS: 404,
  LOGS_SEALED: 403,
  STORE_BLOCK_MISSING: 404,
  WATCH_COMMIT_MISMATCH: 409,
  WATCH_PIPELINE_CHANGED: 409,
  WATCH_PIPELINE_OPEN: 409,
  WATCH_PIPELINE_UNKNOWN: 404,
  WATCH_PULL_UNKNOWN: 404,
  WEBHOOK_FORGED: 403,
  WEBHOOK_INVALID: 400,
  WEBHOOK_REPLAYED: 409,
};

export const notFound = (message: string): QuorateError => new QuorateError('HTTP_NOT_FOUND', message);

export interface Refusal {
  status: number;
  code: ErrorCode;
  message: string;
  headers: Record<string, string>;
}

export function refusalOf(error: unknown): Refusal {
  const known = error instanceof QuorateError ? statusOf[error.code] : undefined;
  if (!(error instanceof QuorateError) || known === undefined)
    return {
      status: 500,
      code: 'HTTP_FAILED',
      message: 'the server failed; its operator can tell more',
      headers: { connection: 'close' },
    };
  const headers = {
    ...(known === 405 ? { allow: 'GET, HEAD' } : {}),
    ...(known === 429 || known === 503 ? { 'retry-after': String(retrySecondsOf(error)) } : {}),
    // The rest of the request is not read.
    ...(known === 404 ? {} : { connection: 'close' }),
  };
  return { status: known, code: error.code, message: error.message, headers };
}

const retrySecondsOf = (error: QuorateError): number =>
  error instanceof TooManyRequests ? error.retrySeconds : 5;

const refusalBody = ({ code, message }: Refusal): string => JSON.stringify({ error: { code, message } });

const json = 'application/json; charset=utf-8';

/** Whether who asks is a browser that shows a page. */
export const wantsPage = (accept: string | undefined): boolean => accept?.includes('text/html') === true;

export type ErrorPage = (refusal: Refusal) => string;

/** The body of a refusal: a page for a browser where there is one, else code and message. */
export const refusalText = (
  refusal: Refusal,
  accept: string | undefined,
  errorPage: ErrorPage | undefined,
): { body: string; type?: string } =>
  errorPage !== undefined && wantsPage(accept)
    ? { body: errorPage(refusal), type: 'text/html; charset=utf-8' }
    : { body: refusalBody(refusal) };

export const refusalHeaders = ({ headers }: Refusal, body: string, type = json): Record<string, string> => ({
  ...headers,
  'content-type': type,
  'cache-control': 'no-cache',
  'content-length': String(Buffer.byteLength(body)),
});

export const refusalResponse = (
  refusal: Refusal,
  { body, type }: { body: string; type?: string } = { body: refusalBody(refusal) },
): Response => new Response(body, { status: refusal.status, headers: refusalHeaders(refusal, body, type) });
