/** Error codes of the HTTP server: what each means and what to do. */
const httpErrors = {
  HTTP_BODY_NOT_ALLOWED: 'A request to the HTTP feed had a body. There is nothing to send there.',
  HTTP_BODY_TOO_LARGE:
    'The body of a request is larger than this server takes. Nothing that is sent there needs more.',
  HTTP_BUSY:
    'The HTTP server is doing as much of that as it does at once, for everybody or for this address. Ask again in some seconds.',
  HTTP_FAILED:
    'The HTTP feed failed, and its operator can tell why: something in the project folder cannot be read.',
  HTTP_FORWARDED_INVALID:
    'A trusted proxy sent a request without saying who asks: its `Forwarded` or `X-Forwarded-For` is malformed, or the two differ. Have it set one and remove the other.',
  HTTP_HOST_UNKNOWN:
    'A request named a host that this server was not told it is. Use its address, or announce the name: `--http-announce <url>`.',
  HTTP_LENGTH_REQUIRED: 'A request had a body of unknown length. Send `content-length`.',
  HTTP_LISTEN_FAILED:
    'The HTTP feed cannot listen on that address. Name one of this host, and a port this user may use.',
  HTTP_METHOD_NOT_ALLOWED: 'The HTTP feed is only read: GET and HEAD.',
  HTTP_NOT_FOUND:
    'There is nothing at this address of the HTTP feed: another path, another project, or a bundle that does not exist (yet). A query is never part of an address.',
  HTTP_PORT_IN_USE:
    'The port for the HTTP feed is in use. Stop what uses it, or name another: `--http <host:port>`.',
  HTTP_TOO_MANY_REQUESTS:
    'Too many requests, too dear ones, or too many bytes, from one address; while many ask, from one that has had its part. `Retry-After` says when to ask again.',
  LENDER_FIELD_INVALID:
    "A limit in the form of the worker's page is not written as in `worker.toml`; nothing was changed.",
  LENDER_NOT_ADMITTED:
    'The page of a worker opens by the address that `quorate worker page` printed, and in the browser that opened it.',
  LENDER_REQUEST_FORGED:
    'A request to the page of a worker came from another page, or from a form that is out of date. Load the page again.',
  VERIFY_BUNDLE_NOT_GIVEN:
    'The page that verifies was given no evidence. Choose the file that `quorate fetch --bundle-out` wrote.',
  VERIFY_BUNDLE_TOO_LARGE: 'The file given to the page that verifies is larger than a bundle may be.',
  VERIFY_BUNDLE_UNREADABLE:
    'The file given to the page that verifies is no bundle, or a damaged one: it proves nothing. Fetch the artifact again with `--bundle-out`.',
  VERIFY_FIELD_INVALID: 'A field of the page that verifies is not in the form that it has to be in.',
  VERIFY_SERVER_UNREACHABLE:
    'The server that the page that verifies was to ask for revocations gave no answer.',
  VERIFY_PAGE_MISSING:
    'The page that verifies in a browser is not beside the program. In a checkout `npm run build` makes it.',
} as const;

export type HttpErrorCode = keyof typeof httpErrors;

declare module '../protocol/base/errors.ts' {
  interface ErrorCodes extends Record<HttpErrorCode, string> {}
}
