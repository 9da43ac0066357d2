import { QuorateError } from '../../core/errors.ts';
import { type GitUrl, parseGitUrl } from '../../source/index.ts';

/**
 * Reads the URL of a source that workers are to fetch. Not by ssh: a worker's machine has keys and known hosts of its
 * operator's, which are not lent, and none of the project's; without them ssh can prove neither side.
 * Errors: `SOURCE_URL_…`, `SOURCE_PROTOCOL_REFUSED`.
 */
export function fetchableUrl(text: string): GitUrl {
  const url = parseGitUrl(text);
  if (url.protocol !== 'ssh') return url;
  throw new QuorateError('SOURCE_PROTOCOL_REFUSED', `workers do not fetch by ssh, as from ${url.host}`, {
    hint: 'Give a URL that anybody may read: quorate run --url https://…',
  });
}
