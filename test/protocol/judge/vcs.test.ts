import { describe, expect, it } from 'vitest';
import { serverOf, vcsAllowed } from '../../../src/protocol/judge/index.ts';

describe('repositories a charter allows', () => {
  it.each([
    ['https://git.example/a.git', true],
    ['https://GIT.example/a.git', true],
    ['ssh://git@git.example/a.git', true],
    ['https://git.example', true],
    ['https://host.example:8443/a', true],
    ['http://[::1]/a', true],
    ['https://git.example:8443/a', false],
    ['https://host.example/a', false],
    ['https://evil.example/git.example', false],
    ['https://git.example.evil.example/a', false],
    ['https://git.example@evil.example/a', false],
    ['https://a@git.example@evil.example/a', false],
    ['https://evil.example\\@git.example/a', false],
    ['https://git.example\\evil', false],
    ['https://evil.example/#@git.example/', false],
    ['https://evil.example?@git.example/', false],
    ['git.example/a', false],
    ['git@git.example:a.git', false],
    ['file:///srv/a', false],
    ['/srv/a', false],
  ])('%s: %s', (url, allowed) => {
    expect(vcsAllowed(['git.example', 'host.example:8443', '[::1]'], url)).toBe(allowed);
  });

  it('are all where the list is empty', () => {
    expect(vcsAllowed([], '/srv/a')).toBe(true);
  });
});

it.each([
  ['https://Git.example/a.git', 'git.example:443'],
  ['http://git.example/a.git', 'git.example:80'],
  ['ssh://git@git.example/a.git', 'git.example:22'],
  ['https://git.example:8443/a', 'git.example:8443'],
  ['other://git.example:9/a', 'git.example:9'],
  // Its port is not known.
  ['other://git.example/a', undefined],
  ['/srv/a', undefined],
])('the server of %s is %s', (url, server) => {
  expect(serverOf(url)).toBe(server);
});
