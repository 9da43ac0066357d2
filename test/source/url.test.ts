import { describe, expect, it } from 'vitest';
import { checkRef, parseGitUrl } from '../../src/source/index.ts';

const code = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'none';
};

describe('parseGitUrl', () => {
  it.each([
    ['https://example.org/a/b.git', 'https', 'example.org', 443],
    ['http://example.org:8080/a', 'http', 'example.org', 8080],
    ['git://127.0.0.1:9999/a', 'git', '127.0.0.1', 9999],
    ['git://Example.ORG/a', 'git', 'example.org', 9418],
    ['ssh://git@example.org:2222/a.git', 'ssh', 'example.org', 2222],
    ['git@example.org:team/a.git', 'ssh', 'example.org', 22],
    ['https://[::1]:8443/a', 'https', '[::1]', 8443],
  ])('takes %s', (text, protocol, host, port) => {
    expect(parseGitUrl(text)).toMatchObject({ protocol, host, port });
  });

  it('gives git a form it can use', () => {
    expect(parseGitUrl('git@example.org:team/a.git').href).toBe('ssh://git@example.org/team/a.git');
    expect(parseGitUrl('https://example.org/x/../y').path).toBe('/y');
  });

  it.each([
    ['ext::sh -c whoami', 'SOURCE_URL_INVALID'],
    ['ext::whoami', 'SOURCE_PROTOCOL_REFUSED'],
    ['file:///etc', 'SOURCE_PROTOCOL_REFUSED'],
    ['/srv/repo', 'SOURCE_URL_INVALID'],
    ['../repo', 'SOURCE_URL_INVALID'],
    ['-uwhoami', 'SOURCE_URL_INVALID'],
    ['--upload-pack=whoami', 'SOURCE_URL_INVALID'],
    ['ssh://-oProxyCommand=whoami/x', 'SOURCE_URL_INVALID'],
    ['ssh://-x@example.org/a', 'SOURCE_URL_INVALID'],
    ['-x@example.org:a', 'SOURCE_URL_INVALID'],
    ['https://user:secret@example.org/a', 'SOURCE_URL_INVALID'],
    ['https://token@example.org/a', 'SOURCE_URL_INVALID'],
    ['ssh://git:secret@example.org/a', 'SOURCE_URL_INVALID'],
    ['https://example.org/', 'SOURCE_URL_INVALID'],
    ['https://example.org/a?b=c', 'SOURCE_URL_INVALID'],
    ['https://example.org/a#b', 'SOURCE_URL_INVALID'],
    ['git://exa mple.org/a', 'SOURCE_URL_INVALID'],
    ['git://example.org/a\n', 'SOURCE_URL_INVALID'],
    ['git://ex%61mple.org/a', 'SOURCE_URL_INVALID'],
    ['git://%2d/a', 'SOURCE_URL_INVALID'],
    ['', 'SOURCE_URL_INVALID'],
    [`https://example.org/${'a'.repeat(3000)}`, 'SOURCE_URL_INVALID'],
    ['javascript:alert(1)', 'SOURCE_PROTOCOL_REFUSED'],
    ['ftp://example.org/a', 'SOURCE_PROTOCOL_REFUSED'],
  ])('refuses %s', (text, expected) => {
    expect(code(() => parseGitUrl(text))).toMatch(expected);
  });

  it('does not repeat a secret in its message', () => {
    try {
      parseGitUrl('https://user:hunter2@example.org/a');
    } catch (error) {
      expect(String(error)).not.toContain('hunter2');
    }
  });
});

describe('checkRef', () => {
  it.each(['main', 'feature/x', 'v1.2', 'refs/tags/v1', 'HEAD', 'ü'])('takes %s', (ref) => {
    expect(checkRef(ref)).toBe(ref);
  });
  it.each([
    '',
    '-b',
    '--upload-pack=x',
    'a..b',
    'a b',
    'a:b',
    'a~1',
    'a^',
    '*',
    'a[',
    'a\\b',
    '@',
    'a@{1}',
    '/a',
    'a/',
    'a//b',
    'a.lock',
    '.a',
    'a/.b',
    'a\0b',
    'a\x1b[0m',
    'x'.repeat(256),
  ])('refuses %j', (ref) => {
    expect(code(() => checkRef(ref))).toBe('SOURCE_REF_INVALID');
  });
});
