import { QuorateError } from '../protocol/base/errors.ts';
import { isRefName } from '../protocol/base/git-ref.ts';

export type GitProtocol = 'git' | 'http' | 'https' | 'ssh';

export interface GitUrl {
  href: string;
  protocol: GitProtocol;
  /** Lower case; an IPv6 address in brackets. */
  host: string;
  port: number;
  usualPort: number;
  path: string;
}

const defaultPorts: Record<GitProtocol, number> = { git: 9418, http: 80, https: 443, ssh: 22 };
const urlBytesMax = 2048;

const quoted = (text: string): string => visible(JSON.stringify(text.slice(0, 200)));

/** Untrusted text with control and bidirectional characters replaced by spaces, line feeds kept. */
export function visible(text: string): string {
  return text.replace(/(?!\n)[\p{Cc}\p{Bidi_Control}]/gu, ' ');
}

function invalid(text: string, why: string, cause?: unknown): QuorateError {
  return new QuorateError('SOURCE_URL_INVALID', `${quoted(text)} ${why}`, {
    hint: 'Give a URL such as https://host/project.git, git://host/project or ssh://git@host/project.',
    cause,
  });
}

/**
 * Parses a repository's URL: git, http(s), ssh, or scp's `user@host:path`. Refuses what git would execute (`ext::`), read from
 * disk (`file:`, a path) or take as an option.
 * @throws SOURCE_URL_INVALID, SOURCE_PROTOCOL_REFUSED
 */
export function parseGitUrl(text: string): GitUrl {
  if (text === '' || text.length > urlBytesMax)
    throw invalid(text, 'is empty or too long for a repository URL');
  if (!/^[\x21-\x7e]+$/.test(text)) throw invalid(text, 'has spaces or characters outside ASCII');
  if (text.startsWith('-')) throw invalid(text, 'begins with "-"');
  const url = parse(text);
  const protocol = url.protocol.slice(0, -1);
  if (protocol !== 'git' && protocol !== 'http' && protocol !== 'https' && protocol !== 'ssh')
    throw new QuorateError(
      'SOURCE_PROTOCOL_REFUSED',
      `${quoted(text)} has the protocol "${visible(protocol)}"`,
      {
        hint: 'Supported protocols: git, https, http, ssh.',
      },
    );
  if (url.password !== '' || (url.username !== '' && protocol !== 'ssh'))
    throw new QuorateError('SOURCE_URL_INVALID', 'the repository URL holds a user name or password', {
      hint: 'Jobs are public: use a URL that needs no secret.',
    });
  if (!/^[A-Za-z0-9._-]*$/.test(url.username) || url.username.startsWith('-'))
    throw invalid(text, 'has an invalid user name');
  if (url.search !== '' || url.hash !== '') throw invalid(text, 'has a "?" or "#" part');
  const host = url.hostname.toLowerCase();
  if (!/^([a-z0-9_]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])$/.test(host))
    throw invalid(text, 'has no valid host name');
  if (url.pathname === '' || url.pathname === '/') throw invalid(text, 'names no repository');
  const usualPort = defaultPorts[protocol];
  const port = url.port === '' ? usualPort : Number(url.port);
  return { href: url.href, protocol, host, port, usualPort, path: url.pathname };
}

function parse(text: string): URL {
  const scp = /^([A-Za-z0-9._-]+)@([A-Za-z0-9][A-Za-z0-9._-]*):(?!\/\/|:)([^:]+)$/.exec(text);
  try {
    if (scp !== null) return new URL(`ssh://${scp[1]}@${scp[2]}/${scp[3]?.replace(/^\//, '')}`);
    return new URL(text);
  } catch (cause) {
    throw invalid(text, 'is not a URL', cause);
  }
}

/** A commit's full id, SHA-1 or SHA-256, in lower case. */
export function isCommitId(text: string): boolean {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

/** Checks a ref by the rules of git-check-ref-format(1), and refuses a leading "-". @throws SOURCE_REF_INVALID */
export function checkRef(ref: string): string {
  if (isRefName(ref)) return ref;
  throw new QuorateError('SOURCE_REF_INVALID', `${quoted(ref)} is not a branch, tag or full commit id`, {
    hint: 'Give a name such as main, v1.2 or refs/heads/main, or all 40 digits of a commit.',
  });
}
