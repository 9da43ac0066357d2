/** Error codes of the HTTP server and of signing in at it: what each means and what to do. */
const httpErrors = {
  HTTP_BODY_TOO_LARGE:
    'The body of a request is larger than this server takes at that address, which may take none.',
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
    'The HTTP server cannot listen on that address; the message says why. Name one of this host with a free port that this user may use: `--http <host:port>`.',
  HTTP_METHOD_NOT_ALLOWED: 'The HTTP feed is only read: GET and HEAD.',
  HTTP_NOT_FOUND:
    'There is nothing at this address of the HTTP feed: another path, another project, or a bundle that does not exist (yet). A query is never part of an address.',
  HTTP_TOO_MANY_REQUESTS:
    'Too many requests, too dear ones, or too many bytes, from one address; while many ask, from one that has had its part. `Retry-After` says when to ask again.',
  LENDER_FIELD_INVALID:
    "A limit in the form of the worker's page is not written as in `worker.toml`; nothing was changed.",
  LENDER_NOT_ADMITTED:
    'The page of a worker opens by the address that `quorate worker page` printed, and in the browser that opened it.',
  LENDER_REQUEST_FORGED:
    'A request to the page of a worker came from another page, or from a form that is out of date. Load the page again.',
  VERIFY_INPUT_INVALID:
    'The evidence or a field given to the page that verifies is missing, too large or not in its form; the message says which. Evidence is the file that `quorate fetch --bundle-out` wrote.',
  VERIFY_SERVER_UNREACHABLE:
    'The server that the page that verifies was to ask for revocations gave no answer.',
  VERIFY_PAGE_MISSING:
    'The page that verifies in a browser is not beside the program. In a checkout `npm run build` makes it.',
  SIGN_IN_BUSY: 'As many people are signed in as the service has room for. Try again later.',
  SIGN_IN_CHALLENGE:
    'The challenge that the key signed is not one of this service, is over a minute old, or was answered before. Run `quorate login` again.',
  SIGN_IN_CODE: 'The one-time code or link is unknown, expired or used. Start again.',
  SIGN_IN_CSRF:
    'The request did not come from a page of this service, or its form is of an earlier session. Load the page again.',
  SIGN_IN_KEY_REFUSED:
    'The key does not sign in here: it has no grant as publisher or reader that holds, or is revoked.',
  SIGN_IN_NO_ROLE:
    'The person is known, and no rule of the owner gives them a role. The owner decides in sign-in.toml.',
  SIGN_IN_REQUEST: 'A request to sign in lacks a part, or has one that is not possible.',
  SIGN_IN_REQUIRED: 'Sign in first.',
  SIGN_IN_ROLE: 'This needs another role than the one that the person is signed in with.',
  SIGN_IN_SERVICE_REFUSED:
    'The identity provider does not know this service, or its word does not hold. Its origin has to be under `services` in the sign-in.toml of the identity provider.',
  SIGN_IN_STATE:
    'This sign-in was not begun in this browser, is over ten minutes old, or was used before. Start again at /sign-in.',
  SIGN_IN_UNAVAILABLE: 'The service has no way to sign in of that kind.',
} as const;

export type HttpErrorCode = keyof typeof httpErrors;

declare module '../protocol/base/errors.ts' {
  interface ErrorCodes extends Record<HttpErrorCode, string> {}
}
