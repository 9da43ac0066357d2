import { isLiteralAddress, isPublic } from '../egress/index.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import { type GitUrl, parseGitUrl } from '../source/index.ts';

/** The URL of a source for workers, which have no keys for ssh. @throws `SOURCE_URL_…`, SOURCE_PROTOCOL_REFUSED */
export function fetchableUrl(text: string): GitUrl {
  const url = parseGitUrl(text);
  if (url.protocol !== 'ssh') return url;
  throw new QuorateError('SOURCE_PROTOCOL_REFUSED', `workers do not fetch by ssh (${url.host})`, {
    hint: 'Give a public URL: quorate run --url https://…',
  });
}

/** A charter without servers allows those of the open internet only. @throws SOURCE_HOST_NOT_ALLOWED for a private address */
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
