import { expect, it } from 'vitest';
import { NetworkNeed } from '../../src/cli/network-need.ts';

const hintOf = (...lines: string[]): string | undefined => {
  const need = new NetworkNeed();
  for (const line of lines) need.push(line);
  return need.hint;
};

it.each([
  ['npm error code ENOTCACHED', /no lock file of the job names/],
  [' ERR_PNPM_NO_OFFLINE_TARBALL  A package is missing from the store', /no lock file of the job names/],
  ['npm error code ENOTFOUND', /the job has no network/],
])('%s is explained', (line, hint) => {
  expect(hintOf('added', line)).toMatch(hint);
});

it('what a job with a network does not reach is left to its own message', () => {
  const network = 'quorate: network: 1 connection';
  expect(hintOf(network, 'npm error code ENOTFOUND')).toBeUndefined();
  expect(hintOf('gcc: error: no input files')).toBeUndefined();
});
