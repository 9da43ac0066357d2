import { describe, expect, it } from 'vitest';
import { sayEnd } from '../../src/owner/commands/revoke.ts';
import { reportedError } from '../../src/protocol/base/errors.ts';
import { asQuorateError, errorText } from '../../src/terminal/errors.ts';
import { exitOf, exits } from '../../src/terminal/exit-codes.ts';
import { bytes, duration, shortId } from '../../src/terminal/format.ts';

describe('duration', () => {
  it.each([
    [0, '0 ms'],
    [849.6, '850 ms'],
    [3_249, '3.2 s'],
    [9_999, '9.9 s'],
    [12_000, '12 s'],
    [125_000, '2 min 5 s'],
    [3_780_000, '1 h 3 min'],
    [360_000_000, '4 d 4 h'],
  ])('%d', (ms, text) => expect(duration(ms)).toBe(text));
});

describe('bytes', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.5 KiB'],
    [533 * 1024, '533 KiB'],
    [2 * 1024 ** 3, '2 GiB'],
  ])('%d', (count, text) => expect(bytes(count)).toBe(text));
});

it('shortens ids so that two stay apart', () => {
  expect(shortId('12D3KooWPwh5EADxnN1KXQFTrmGAXycZqZRVKHG7wcx7mczYTDRk')).toBe('12D3Koo…zYTDRk');
  expect(shortId('short')).toBe('short');
});

it('the end of a key says what to do only of what counts no more', () => {
  const one = {
    id: 'a'.repeat(64),
    what: { kind: 'job', id: 'baguq' },
    since: 0,
    reason: 'x',
    leaf: 3,
  } as const;
  const said = (of: Partial<Parameters<typeof sayEnd>[0]>) =>
    sayEnd({ keeps: [], voids: [], voidLeaves: [], ...of }).join('\n');
  expect(said({ keeps: [one] })).toMatch(/1 stay:\n.*\n0 count no more\.$/);
  expect(said({ voids: [one] })).toMatch(/0 stay\.\n1 count no more; revoke again what should be:\n/);
});

describe('exit codes', () => {
  it.each([
    ['NOT_TRUSTED', 1],
    ['JOBFILE_INVALID', 2],
    ['TICKET_EXPIRED', 2],
    ['POLICY_BELOW_FLOOR', 2],
    ['CLI_TIMEOUT', 3],
    ['SANDBOX_UNAVAILABLE', 3],
    ['SOURCE_REF_NOT_FOUND', 2],
    ['SOURCE_UNREACHABLE', 3],
    ['SOMETHING_NEW', 3],
  ])('%s', (code, exit) => expect(exitOf(code)).toBe(exit));
});

it('exit codes are those that docs/versions.md promises', () => {
  const promised = { done: 0, no: 1, usage: 2, cannot: 3, lookAt: 4, interrupted: 130, unread: 141 };
  expect(exits).toEqual(promised);
});

describe('errors', () => {
  it('are one line and a hint, whatever a peer put into them', () => {
    const error = reportedError('A_CODE', 'bad \u001b[2Jname\nerror[FAKE]: x', { hint: 'do\u0007 this' });
    expect(errorText(error)).toBe('error[A_CODE]: bad \\x1b[2Jname\nerror[FAKE]: x\nhint: do\\x07 this\n');
  });

  it('that are none of ours ask for a report and never exit 0', () => {
    const error = asQuorateError(new TypeError('x is not a function'));
    expect(error).toMatchObject({ code: 'CLI_INTERNAL_ERROR', message: 'x is not a function' });
    expect(exitOf(asQuorateError(error).code)).toBe(3);
  });
});
