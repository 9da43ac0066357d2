/** Error codes of the egress proxy: what each means and what to do. */
const egressErrors = {
  EGRESS_ADDRESS_REFUSED:
    "The name resolves to an address that is not public: private, link-local, loopback, or one of the host itself. Such a server can be used only if the charter lists that very address (or `localhost`) and its port, and by a build only if the operator does too, under `[network] private` in `worker.toml`. `run`, `show` and `logs` show the worker's hint. What a lock file, an index or a redirect names is fetched from there only if the configuration of a package manager on this host names that registry, or `QUORATE_PRIVATE_HOSTS` has its `HOST:PORT`.",
  EGRESS_HOST_LIMIT:
    'A worker made as many connections to one host or address, or transferred as many bytes, as its operator allows within an hour (`[network] host_connections` and `host_bytes` in `worker.toml`), over all its builds. It connects again when the hour is over.',
  EGRESS_HOST_NOT_ALLOWED:
    'The operator of the worker has not allowed connections to this host. No connection was made. `quorate worker status` lists hosts that wait for this; `quorate worker allow HOST` allows one.',
  EGRESS_LIMIT_EXCEEDED:
    'The limit of bytes or connections through the proxy was exceeded; all connections were closed. Fetch less, or raise the disk limit of the job.',
  EGRESS_NOT_ALLOWED:
    'A program in a sandbox requested a server or port that is not listed, or did not speak HTTP to the proxy. No connection was made. If the server is needed, the charter must list it.',
  EGRESS_REFUSED_REPEATEDLY:
    'A build asked for one server again and again and was refused each time, so it was ended; some programs would go on until the time limit. If the server is needed, the charter must list it (`quorate charter set --vcs`); otherwise have the job not ask for it, with what it needs in the repository or in the image.',
  EGRESS_UNAVAILABLE:
    'The proxy cannot create its socket: the path of the home folder is too long (107 bytes), or not writable. Use a shorter `--home`.',
  EGRESS_UNREACHABLE:
    'A permitted server could not be resolved, did not answer, or closed the connection. Check the host, the port and the network, or try again later.',
} as const;

export type EgressErrorCode = keyof typeof egressErrors;

declare module '../protocol/base/errors.ts' {
  interface ErrorCodes extends Record<EgressErrorCode, string> {}
}
