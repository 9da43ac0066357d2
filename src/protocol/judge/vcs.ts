/** `scheme://[user@]host[:port]/...`, and nothing a lenient URL parser would read otherwise (no backslash, no second @). */
const url =
  /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@\\\s]*@)?([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(?:[/?#][^\\\s]*)?$/;

/** Ports of the protocols of a repository, where its URL has none. */
const schemePorts: Readonly<Record<string, number>> = { git: 9418, http: 80, https: 443, ssh: 22 };

/** `host:port` of the server that a URL names, in lower case; undefined for text that names none. */
export function serverOf(text: string): string | undefined {
  const [whole = '', host, port] = url.exec(text) ?? [];
  const usual = schemePorts[whole.slice(0, whole.indexOf(':'))];
  const explicit = port === undefined ? usual : Number(port.slice(1));
  return host === undefined || explicit === undefined ? undefined : `${host.toLowerCase()}:${explicit}`;
}

/** Whether the `host` or `host:port` of a repository is on the list, exactly. An empty list allows any. */
export function vcsAllowed(allowed: readonly string[], repository: string): boolean {
  if (allowed.length === 0) return true;
  const [, host, port = ''] = url.exec(repository) ?? [];
  return host !== undefined && allowed.some((entry) => entry.toLowerCase() === host.toLowerCase() + port);
}
