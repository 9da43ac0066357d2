import { describe, expect, it } from 'vitest';
import { accountOf } from '../../../src/protocol/account/index.ts';
import { type ListedRun, newAlarms } from '../../../src/watcher/machine/alarms.ts';
import { Ledger } from '../../../src/watcher/machine/hook-ledger.ts';
import { matchesRef, parseRefPattern } from '../../../src/watcher/machine/hook-refs.ts';
import { codeOf } from '../../support/code-and-folder.ts';

const matches = (pattern: string, ref: string) => matchesRef([parseRefPattern(pattern)], ref);

describe('a ref that a hook is for', () => {
  it.each([
    ['main', 'refs/heads/main'],
    ['refs/heads/main', 'refs/heads/main'],
    ['release-*', 'refs/heads/release-2'],
    ['feature/*', 'refs/heads/feature/x'],
    ['refs/tags/v*', 'refs/tags/v1.2.3'],
    ['**', 'refs/heads/a/b'],
    ['v?', 'refs/heads/v1'],
    ['x'.repeat(244), `refs/heads/${'x'.repeat(244)}`],
  ])('%s is %s', (pattern, ref) => expect(matches(pattern, ref)).toBe(true));

  it.each([
    ['main', 'main'],
    ['main', 'refs/tags/main'],
    ['main', 'refs/heads/main/x'],
    ['main', 'refs/heads/refs/heads/main'],
    ['*', 'refs/heads/a/b'],
    ['**', 'refs/pull/7/head'],
    ['*', 'refs/pull/7/head'],
    ['*', 'refs/heads/../pull/7/head'],
    ['*', 'refs/heads/.x'],
    ['*', 'refs/heads/a..b'],
    ['*', 'refs/heads/x.lock'],
    ['*', 'refs/heads/'],
    ['release-*', 'refs/heads/release'],
    ['refs/tags/v*', 'refs/heads/v1'],
    ['refs/tags/v*', 'refs/tags/v/../../pull/1'],
  ])('%s is not %s', (pattern, ref) => expect(matches(pattern, ref)).toBe(false));

  it.each([
    '',
    '*/',
    'refs/pull/*',
    'refs/*',
    'refs/heads/',
    'refs/**',
    'a b',
    '../x',
    '{main,x}',
    'v[12]',
    '@(main|next)',
    '!main',
    'x'.repeat(245),
  ])('cannot be %j', async (text) =>
    expect(await codeOf(() => Promise.resolve().then(() => parseRefPattern(text)))).toBe('HOOK_USAGE'),
  );
});

describe('alarms', () => {
  const run = (n: number, more: Partial<ListedRun>): ListedRun => ({
    run: String(n).repeat(64),
    job: 'bafyjob',
    name: 'build',
    repo: 'r',
    ref: 'refs/heads/main',
    commit: 'c',
    state: 'done',
    level: 'trusted',
    artifact: null,
    submittedAt: n,
    round: 1,
    policy: { agree: 2, of: 3, cosign: true },
    ...more,
  });
  const revoked = { what: 'operator', id: 'ada', since: 0, reason: 'stolen' };

  it('are told once for each run and reason, oldest first, and once for evidence against the log', () => {
    const ledger = new Ledger();
    const all = {
      runs: [
        run(3, { alarming: true, revoked }),
        run(4, { differs: { run: 'e'.repeat(64), later: true, made: null, other: null } }),
        run(2, { differs: { run: 'f'.repeat(64), made: null, other: null } }),
        run(1, { level: 'disputed', reason: 'no-quorum' }),
      ],
      equivocations: ['two stories'],
    };
    const found = newAlarms(ledger, all);
    expect(found.map(({ event, reason }) => [event, reason])).toEqual([
      ['equivocation', 'two stories'],
      ['disputed', 'no-quorum'],
      // The earlier one of the two is no alarm of its own.
      ['disputed', 'rebuild-differs'],
      ['revoked', 'stolen'],
      ['disputed', 'contradicted'],
    ]);
    for (const { subject } of found) ledger.apply({ kind: 'started', subject, artifact: null }, 0);
    expect(newAlarms(ledger, all)).toEqual([]);
  });

  it('are told whoever has looked at them before: a thief of a publisher’s key ends none', () => {
    const runs = [run(1, { level: 'disputed', reason: 'no-quorum', acknowledged: true })];
    // Acknowledging ends the alarm on pages and in commands.
    expect(runs.map((one) => accountOf(one).alarm)).toEqual([false]);
    expect(newAlarms(new Ledger(), { runs, equivocations: [] })).toMatchObject([{ event: 'disputed' }]);
  });

  it('are of the refs that are named, but for the log', () => {
    const all = { runs: [run(1, { level: 'disputed' })], equivocations: ['two stories'] };
    const at = (ref: string) => newAlarms(new Ledger(), all, [parseRefPattern(ref)]);
    expect(at('side').map(({ event }) => event)).toEqual(['equivocation']);
    expect(at('main').map(({ event }) => event)).toEqual(['equivocation', 'disputed']);
  });
});
