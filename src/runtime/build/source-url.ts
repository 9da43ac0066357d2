import { QuorateError } from '../../core/errors.ts';
import { type GitUrl, parseGitUrl } from '../../source/index.ts';

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
