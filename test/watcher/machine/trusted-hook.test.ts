import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { VerifiedFacts } from '../../../src/protocol/trust/index.ts';
import type { ListedRun } from '../../../src/watcher/machine/alarms.ts';
import { Ledger, type LedgerEvent } from '../../../src/watcher/machine/hook-ledger.ts';
import { hookLimits } from '../../../src/watcher/machine/hook-limits.ts';
import { parseRefPattern } from '../../../src/watcher/machine/hook-refs.ts';
import { TrustedHook, type TrustedRules } from '../../../src/watcher/machine/trusted-hook.ts';
import { facts, id, listed, repo } from '../hook-support.ts';

/** Of the clock of a hook, ms since the epoch. */
const later = 10_000_000;
const rules = (more: Partial<TrustedRules> = {}): TrustedRules => ({
  refs: [parseRefPattern('main')],
  jobs: [],
  uncosigned: false,
  ...more,
});

function makeHook(more: Partial<TrustedRules> = {}) {
  const ledger = new Ledger();
  const hook = new TrustedHook(rules(more), ledger);
  const take = (event: LedgerEvent) => {
    ledger.apply(event, 1);
    return event;
  };
  return { ledger, hook, take };
}

describe('which run is looked at', () => {
  it('is the newest of its ref and job that is said to be trusted', () => {
    const { hook } = makeHook();
    expect(hook.next([listed(3, { level: 'agreed' }), listed(2), listed(1)], 0)?.run).toBe(id(2));
    expect(hook.next([], 0)).toBeUndefined();
  });

  it.each([
    ['a pull request', { ref: 'refs/pull/7/head' }],
    ['a merge request', { ref: 'refs/merge-requests/7/head' }],
    ['a commit of no branch', { ref: 'HEAD' }],
    ['another branch', { ref: 'refs/heads/main2' }],
    ['a tag with the name of the branch', { ref: 'refs/tags/main' }],
    ['a branch that is named like a ref of a branch', { ref: 'refs/heads/refs/heads/main' }],
    ['what is only agreed', { level: 'agreed' }],
    ['a dispute', { level: 'disputed' }],
    ['a test', { test: true }],
    ['what has no artifact', { artifact: null }],
    ['what was revoked', { revoked: { what: 'artifact', id: 'x', since: 1, reason: 'r' } }],
  ] as [string, Partial<ListedRun>][])('is never %s', (_, more) => {
    expect(makeHook().hook.next([listed(1, more)], 0)).toBeUndefined();
  });

  it('is of the jobs that are named', () => {
    const { hook } = makeHook({ jobs: ['package'] });
    expect(hook.next([listed(2), listed(1, { name: 'package' })], 0)?.run).toBe(id(1));
    expect(hook.next([listed(2)], 0)).toBeUndefined();
  });

  it('is none below one that the command was started for, and the next one where a newer was refused', () => {
    const { hook, take } = makeHook();
    take(hook.verified(listed(2), facts(2), later));
    expect(hook.next([listed(2), listed(1)], 0)).toBeUndefined();
    expect(hook.next([listed(3), listed(2), listed(1)], 0)?.run).toBe(id(3));
    take({ kind: 'refused', subject: id(3), code: 'ARTIFACT_REVOKED', message: 'm' });
    expect(hook.next([listed(3), listed(2), listed(1)], 0)).toBeUndefined();
  });

  it('waits longer after each failed attempt, and is refused after the last', () => {
    const { hook, take } = makeHook();
    const runs = [listed(2), listed(1)];
    let now = 0;
    for (let tries = 1; tries < hookLimits.triesMax; tries++) {
      expect(hook.next(runs, now)?.run).toBe(id(2));
      expect(hook.failed(listed(2), 'REVOCATION_NO_ANSWER', 'nobody', now)).toBeUndefined();
      expect(hook.next(runs, now)).toBeUndefined();
      now += hookLimits.retryMs * 2 ** (tries - 1);
    }
    const last = hook.failed(listed(2), 'REVOCATION_NO_ANSWER', 'nobody', now);
    expect(last).toMatchObject({ kind: 'refused', subject: id(2), code: 'REVOCATION_NO_ANSWER' });
    if (last !== undefined) take(last);
    expect(hook.next(runs, now)?.run).toBe(id(1));
  });

  it('is tried for as long as it is listed, at longer pauses, where others have to show that nothing is kept back', () => {
    const { hook } = makeHook();
    let now = 0;
    for (let tries = 0; tries < 3 * hookLimits.triesMax; tries++) {
      expect(hook.next([listed(2)], now)?.run).toBe(id(2));
      expect(hook.failed(listed(2), 'CHECKPOINT_STALE', 'nobody', now)).toBeUndefined();
      expect(hook.next([listed(2)], now)).toBeUndefined();
      now += hookLimits.retryMs * 2 ** Math.min(tries, hookLimits.doublingsMax);
    }
    expect(now).toBeGreaterThan(3_600_000);
  });

  it('is tried again where the log tells two stories: another copy of its evidence may have the line of a trusted worker', () => {
    expect(makeHook().hook.failed(listed(1), 'LOG_EQUIVOCATED', 'm', 0)).toBeUndefined();
  });

  it.each(['ARTIFACT_REVOKED', 'KEY_REVOKED', 'REF_MISMATCH'])('is refused at once for %s', (code) => {
    expect(makeHook().hook.failed(listed(1), code, 'm', 0)).toMatchObject({ kind: 'refused', code });
  });
});

describe('a run that failed', () => {
  it('is tried at once where it was not listed meanwhile, and counts anew once it was refused', () => {
    const { hook } = makeHook();
    const run = listed(1);
    const failed = () => hook.failed(run, 'REVOCATION_NO_ANSWER', 'nobody', 0);
    failed();
    expect(hook.next([run], 0)).toBeUndefined();
    hook.next([], 0);
    expect(hook.next([run], 0)).toBe(run);
    for (let tries = 1; tries < hookLimits.triesMax; tries++) expect(failed()).toBeUndefined();
    expect([failed()?.kind, failed()]).toEqual(['refused', undefined]);
  });

  it.each([
    ['REF_MISMATCH', true],
    ['ARTIFACT_MISMATCH', true],
    ['SOURCE_MISMATCH', false],
    ['KEY_REVOKED', false],
  ] as const)('with %s was listed falsely: %s', (code, isFalse) => {
    const { hook } = makeHook();
    const run = listed(1);
    hook.next([run], 0);
    expect(hook.failed(run, code, 'm', 0)?.code).toBe(code);
    expect(hook.isFalse(run)).toBe(isFalse);
  });
});

describe('verified facts', () => {
  it.each([
    ['a ref', { ref: 'refs/heads/side' }],
    ['a job', { name: 'other' }],
  ])('of %s that the hook is not for start nothing, though they were listed so', (_, line) => {
    const { hook } = makeHook({ jobs: ['build'] });
    expect(hook.verified(listed(1, line), facts(1, line), later)).toMatchObject({
      code: 'HOOK_NOTICE_FALSE',
      message: expect.stringContaining('is not what this hook is for'),
    });
  });

  it('of a publisher whose clock is a minute ahead start the command', () => {
    const requested = new Date(later + 60_000).toISOString();
    expect(makeHook().hook.verified(listed(1), facts(1, { requested }), later)).toMatchObject({
      kind: 'started',
    });
  });

  it('start the command, at the place that they have', () => {
    expect(makeHook().hook.verified(listed(4), facts(4), later)).toEqual({
      kind: 'started',
      subject: id(4),
      artifact: 'bafy4',
      place: {
        repo,
        ref: 'refs/heads/main',
        name: 'build',
        index: 4,
        requested: '1970-01-01T00:00:04.000Z',
        publisher: 'ada',
      },
    });
  });

  it.each([
    ['a test', facts(1, { kind: 'test' }), 'HOOK_NOTICE_FALSE'],
    ['no artifact', facts(1, { artifact: null }), 'HOOK_NOTICE_FALSE'],
    ['what nobody co-signed', facts(1, { cosigners: [] }), 'HOOK_NOT_COSIGNED'],
  ])('of %s start nothing', (_, found, code) => {
    expect(makeHook().hook.verified(listed(1), found, later)).toMatchObject({ kind: 'refused', code });
  });

  it.each([
    ['another run', facts(9)],
    ['a pull request', facts(1, { ref: 'refs/pull/7/head' })],
    ['another repository', facts(1, { repo: 'https://evil.example.org/tool.git' })],
    ['another job', facts(1, { name: 'other' })],
  ])('of %s than was listed start nothing, and say nothing against a true notice of the run', (_, found) => {
    const { hook } = makeHook();
    const lie = listed(1);
    expect(hook.next([lie], 0)).toBe(lie);
    const code = 'HOOK_NOTICE_FALSE';
    expect(hook.verified(lie, found, later)).toMatchObject({ kind: 'refused', code });
    expect(hook.isFalse(lie)).toBe(true);
    // Not again for as long as it is listed so, and an older one of that line has its turn.
    expect(hook.next([lie], 0)).toBeUndefined();
    const other = listed(0);
    expect(hook.next([lie, other], 0)).toBe(other);
    const truth = listed(1, { ref: 'refs/heads/main', name: 'build', commit: id(7).slice(24) });
    expect(hook.next([], 0)).toBeUndefined();
    expect(hook.next([truth], 0)).toBe(truth);
    expect(hook.verified(truth, facts(1), later).kind).toBe('started');
  });

  it('of one publisher fill no more than its room, which others have too', () => {
    const { hook, take } = makeHook({ refs: [parseRefPattern('refs/tags/*')] });
    for (let n = 0; n < hookLimits.linesPerPublisherMax; n++) {
      const place = { repo, ref: `refs/tags/${n}`, name: 'build', index: n, publisher: 'mallory' };
      take({ kind: 'started', subject: id(n), place, artifact: null });
    }
    const more = { ref: 'refs/tags/more' };
    const of = (publisher: string, ref = 'refs/tags/more') =>
      hook.verified(listed(90_000, { ref }), facts(90_000, { ref, publisher }), 1e9);
    expect(of('mallory')).toMatchObject({ kind: 'refused', code: 'HOOK_LINES_FULL' });
    // For a line that is there already it goes on.
    expect(of('mallory', 'refs/tags/7').kind).toBe('started');
    expect(of('ada')).toMatchObject({ kind: 'started', place: { ...more, publisher: 'ada' } });
    // A line is of whoever asked last.
    take(of('ada', 'refs/tags/7'));
    expect(of('mallory').kind).toBe('started');
  });

  it('without a co-signature count where the owner says so', () => {
    const { hook } = makeHook({ uncosigned: true });
    expect(hook.verified(listed(1), facts(1, { cosigners: [] }), later).kind).toBe('started');
  });

  it('that are older than the last of their ref and job start nothing, those of others do', () => {
    const { hook, take } = makeHook({ refs: [parseRefPattern('*')] });
    take(hook.verified(listed(5), facts(5), later));
    expect(hook.verified(listed(4), facts(4), later)).toMatchObject({ kind: 'refused', code: 'HOOK_OLDER' });
    const side = { ref: 'refs/heads/side' };
    expect(hook.verified(listed(4, side), facts(4, side), later).kind).toBe('started');
    expect(hook.verified(listed(5), facts(5), later).kind).toBe('refused');
  });

  it('again: of the last one, or of one that did not start; never of an older one', () => {
    const { hook, take } = makeHook();
    take(hook.verified(listed(5), facts(5), later));
    expect(hook.verified(listed(5), facts(5), later, true).kind).toBe('started');
    expect(hook.verified(listed(6), facts(6), later, true).kind).toBe('started');
    expect(hook.verified(listed(4), facts(4), later, true)).toMatchObject({ code: 'HOOK_OLDER' });
  });

  it('of more refs than are remembered start nothing', () => {
    const { hook, take } = makeHook({ refs: [parseRefPattern('refs/tags/*')] });
    for (let n = 0; n < hookLimits.linesMax; n++) {
      const place = { repo, ref: `refs/tags/${n}`, name: 'build', index: n };
      take({ kind: 'started', subject: id(n), place, artifact: null });
    }
    const more = { ref: 'refs/tags/more' };
    expect(hook.verified(listed(1, more), facts(1, more), later)).toMatchObject({ code: 'HOOK_LINES_FULL' });
  });
});

/** One step: a listing in any order of any runs, answered with the truth, a failure or a lie; or the process dies. */
const step = fc.record({
  runs: fc.array(fc.record({ n: fc.nat(12), line: fc.nat(1) }), { maxLength: 6 }),
  answer: fc.constantFrom('truth', 'failure', 'older evidence', 'crash before the command', 'crash after it'),
});

it('a run starts one command at most and the place never goes back, whatever a controller lists and whenever the process dies', () => {
  const refs = ['refs/heads/main', 'refs/heads/side'];
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const journal: LedgerEvent[] = [];
      const commands: { run: string; ref: string; index: number }[] = [];
      const begin = () => {
        const ledger = new Ledger();
        for (const event of journal) ledger.apply(event, 0);
        for (const subject of ledger.unfinished) {
          journal.push({ kind: 'ended', subject, outcome: { kind: 'unknown' } });
        }
        return { ledger, hook: new TrustedHook(rules({ refs: refs.map(parseRefPattern) }), ledger) };
      };
      let { ledger, hook } = begin();
      const record = (event: LedgerEvent) => {
        journal.push(event);
        ledger.apply(event, 0);
      };
      for (const [now, { runs, answer }] of steps.entries()) {
        const listing = runs.map(({ n, line }) => listed(n + 100 * line, { ref: refs[line] ?? '' }));
        const run = hook.next(listing, now * 100_000);
        if (run === undefined) continue;
        if (answer === 'failure') {
          const refused = hook.failed(run, 'ARTIFACT_NOT_FOUND', 'm', now * 100_000);
          if (refused !== undefined) record(refused);
          continue;
        }
        const n = Number.parseInt(run.run, 16);
        const about = answer === 'older evidence' ? n - 1 : n;
        const event = hook.verified(run, facts(n, { request: id(about), index: about, ref: run.ref }), later);
        record(event);
        if (event.kind !== 'started') continue;
        if (answer !== 'crash before the command') commands.push({ run: run.run, ref: run.ref, index: n });
        if (answer.startsWith('crash')) ({ ledger, hook } = begin());
        else record({ kind: 'ended', subject: run.run, outcome: { kind: 'exit', code: 0 } });
      }
      for (const ref of refs) {
        const indexes = commands.filter((one) => one.ref === ref).map(({ index }) => index);
        expect(indexes).toEqual([...new Set(indexes)].sort((a, b) => a - b));
      }
    }),
    { numRuns: 150 },
  );
});

describe('the place of what was verified', () => {
  it.each([
    ['nobody but the controller signed it', { place: 'controller' }, 'HOOK_PLACE_UNSIGNED'],
    [
      'its publisher asked at a time that is ahead of this clock',
      { requested: new Date(later + 121_000).toISOString() },
      'HOOK_REQUEST_AHEAD',
    ],
  ] as [string, Partial<VerifiedFacts>, string][])('starts nothing where %s', (_, more, code) => {
    const { hook } = makeHook();
    expect(hook.verified(listed(1), facts(1, more), later)).toMatchObject({ kind: 'refused', code });
  });

  it('starts nothing where the index is greater and the publisher asked before, nor the other way round', () => {
    const { hook, take } = makeHook();
    take(hook.verified(listed(5), facts(5), later));
    const { requested } = facts(4);
    expect(hook.verified(listed(6), facts(6, { requested }), later)).toMatchObject({ code: 'HOOK_OLDER' });
    const index = 5;
    expect(hook.verified(listed(6), facts(6, { index }), later)).toMatchObject({ code: 'HOOK_OLDER' });
    // Two that were asked for within a second.
    const same = facts(5).requested;
    expect(hook.verified(listed(6), facts(6, { requested: same }), later).kind).toBe('started');
  });

  it('of a journal of before is its index alone, until a command was started since', () => {
    const { hook, take } = makeHook();
    const place = { repo, ref: 'refs/heads/main', name: 'build', index: 5 };
    take({ kind: 'started', subject: id(5), place, artifact: null });
    const { requested } = facts(1);
    expect(hook.verified(listed(5), facts(5), later).kind).toBe('refused');
    take(hook.verified(listed(6), facts(6, { requested }), later));
    expect(hook.verified(listed(7), facts(7, { requested: facts(0).requested }), later)).toMatchObject({
      code: 'HOOK_OLDER',
    });
  });

  it('stays what it was where the owner has the command run again', () => {
    const { hook, take } = makeHook();
    take(hook.verified(listed(5), facts(5), later));
    const again = hook.verified(listed(5), facts(5, { index: 1000, place: 'controller' }), later, true);
    expect(take(again)).toMatchObject({ kind: 'started', place: { index: 5 } });
    expect(hook.verified(listed(6), facts(6), later).kind).toBe('started');
  });
});
