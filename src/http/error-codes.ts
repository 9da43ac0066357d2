/** Error codes of the HTTP server: what each means and what to do. docs/errors.md is made from it. */
const httpErrors = {
  HTTP_BODY_NOT_ALLOWED: 'A request to the HTTP feed had a body. There is nothing to send there.',
  HTTP_BODY_TOO_LARGE:
    'The body of a request is larger than this server takes. Nothing that is sent there needs more.',
  HTTP_BUSY: 'The HTTP feed is sending as many bundles as it does at once. Ask again in some seconds.',
  HTTP_FAILED:
    'The HTTP feed failed, and its operator can tell why: something in the project folder cannot be read.',
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
    'Too many requests, or too many bytes, from one address. Ask again in some seconds.',
} as const;

export type HttpErrorCode = keyof typeof httpErrors;

declare module '../core/errors.ts' {
  interface ErrorCodes extends Record<HttpErrorCode, string> {}
}
