import { expect, it } from 'vitest';
import { refusePrivate } from '../../src/execution/source-url.ts';
import { codeOf } from '../../src/protocol/base/errors.ts';

const refusal = (repo: string, vcs: string[]): string | undefined => {
  try {
    refusePrivate(repo, vcs);
  } catch (error) {
    return `${codeOf(error)} ${(error as { hint?: string }).hint}`;
  }
  return undefined;
};

it.each([
  ['git://127.0.0.1:9518/x', '127.0.0.1:9518'],
  ['http://192.168.1.5/x', '192.168.1.5'],
  ['https://[::1]:3000/x', '[::1]:3000'],
  ['http://localhost:3000/x', 'localhost:3000'],
])('%s is refused before it is published where the charter lists no server', (repo, named) => {
  expect(refusal(repo, [])).toBe(
    `SOURCE_HOST_NOT_ALLOWED The owner names it: quorate charter set --vcs ${named}`,
  );
  // The charter's list is for the controller to compare.
  expect(refusal(repo, [named])).toBeUndefined();
});

it.each(['https://git.example.org/x', 'https://1.1.1.1/x'])('%s is not', (repo) => {
  expect(refusal(repo, [])).toBeUndefined();
});
