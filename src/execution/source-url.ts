import { isLiteralAddress, isPublic } from '../egress/index.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import { type GitUrl, parseGitUrl } from '../source/index.ts';

/**
 * Parses the URL of a source for workers. ssh is refused: workers have no keys and known hosts of the project, and do not use
 * those of their operators.
 * @throws `SOURCE_URL_…`, SOURCE_PROTOCOL_REFUSED
 */
export function fetchableUrl(text: string): GitUrl {
  const url = parseGitUrl(text);
  if (url.protocol !== 'ssh') return url;
  throw new QuorateError('SOURCE_PROTOCOL_REFUSED', `workers do not fetch by ssh (${url.host})`, {
    hint: 'Give a public URL: quorate run --url https://…',
  });
}

/**
 * A charter that lists no server allows those of the open internet only: no worker fetches from a private address that the
 * charter does not name. Errors: `SOURCE_HOST_NOT_ALLOWED`.
 */
export function refusePrivate(repo: string, vcs: readonly string[]): void {
  const url = fetchableUrl(repo);
  const target = { host: url.host.replace(/^\[(.*)\]$/, '$1'), port: url.port };
  if (vcs.length > 0 || !isLiteralAddress(target) || isPublic(target.host)) return;
  throw new QuorateError(
    'SOURCE_HOST_NOT_ALLOWED',
    `no worker fetches from ${url.host}, which is no public address, unless the charter names it`,
    { hint: `The owner names it: quorate charter set --vcs ${new URL(url.href).host}` },
  );
}
