/** Error codes of the egress proxy: what each means and what to do. docs/errors.md is made from it. */
const egressErrors = {
  EGRESS_ADDRESS_REFUSED:
    "The name leads to an address that is not of the open internet: private, link-local, loopback, or one of the host itself. A server there can be used only if the charter names that very address (or `localhost`) and its port, and by a build only if the operator does too, under `[network] private` in `worker.toml`. The worker's hint comes with it in `run`, `show` and `logs`.",
  EGRESS_LIMIT_EXCEEDED:
    'More bytes or connections went through the proxy than may; all of them were cut. Fetch less, or raise the disk limit of the job.',
  EGRESS_NOT_ALLOWED:
    'Something in a sandbox asked the proxy for a server or port that is not on its list, or spoke no HTTP to it. Nothing was connected. If the server is needed, the charter has to name it.',
  EGRESS_UNAVAILABLE:
    'The proxy cannot make its socket: the path of the home folder is too long for one (107 bytes), or cannot be written. Use a shorter `--home`.',
  EGRESS_UNREACHABLE:
    'A server that may be asked could not be looked up, did not answer, or broke off. Check the host, the port and the network, or try again later.',
} as const;

export type EgressErrorCode = keyof typeof egressErrors;

declare module '../core/errors.ts' {
  interface ErrorCodes extends Record<EgressErrorCode, string> {}
}
