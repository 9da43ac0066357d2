import { expect, it } from 'vitest';
import { sayFailure } from '../../src/client/commands/failure-report.ts';
import { LogHints } from '../../src/terminal/log-hints.ts';
import { Output } from '../../src/terminal/output.ts';
import { sink } from '../cli/screen.ts';

const hintOf = (...lines: string[]): string | undefined => {
  const need = new LogHints();
  for (const line of lines) need.push(line);
  return need.hint;
};

it.each([
  ['npm error code ENOTCACHED', /no lock file of the job names/],
  [' ERR_PNPM_NO_OFFLINE_TARBALL  A package is missing from the store', /no lock file of the job names/],
  ['npm error code ENOTFOUND', /the job has no network/],
  ['/bin/sh: 1: make: not found', /^make is not where it was built/],
  ['bash: line 12: clang-format: command not found', /^clang-format is not where/],
  ['dd: error writing out/x: No space left on device', /limits\.disk of the job.*raise "disk"/],
])('%s is explained', (line, hint) => {
  expect(hintOf('added', line)).toMatch(hint);
});

it('a connection that a job with a network cannot make is left to its own message', () => {
  const network = 'quorate: network: 1 connection';
  expect(hintOf(network, 'npm error code ENOTFOUND')).toBeUndefined();
  expect(hintOf('gcc: error: no input files', 'x: 1: file y: not found')).toBeUndefined();
});

it('a build that was aborted in a step is told once, and its hint with it', async () => {
  const out = sink();
  const text = [
    'quorate: step 1 of 1: make',
    'cc1: No space left on device',
    'quorate: step 1 of 1 failed: exit 137 (KILL)',
    'quorate: aborted: memory: over 64 MiB',
    '',
  ].join('\n');
  const of = { worker: 'w', slot: 0, operator: 'ada', role: 'worker' } as const;
  const logs = async function* () {
    yield { ...of, slot: '0', round: 1, text };
  };
  await sayFailure(
    new Output(out, sink(), { json: false, colour: false }),
    { logs },
    'a'.repeat(64),
    [{ ...of, result: 'aborted: memory: over 64 MiB', log: null }],
    AbortSignal.timeout(1000),
  );
  await new Promise((resolve) => setImmediate(resolve));
  expect(out.text()).toContain('ada: aborted: memory: over 64 MiB, in step 1 of 1: make');
  expect(out.text()).not.toContain('failed with exit 137');
  expect(out.text()).toContain('limits.disk of the job');
});
