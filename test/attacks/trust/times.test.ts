import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/protocol/base/limits.ts';
import { isoTime } from '../../../src/protocol/base/time.ts';
import { judgeLimits } from '../../../src/protocol/judge/limits.ts';
import { checkAge, LogView } from '../../../src/protocol/trust/index.ts';
import { at, makeProject, type Recipe } from '../../support/project.ts';
import { verifyWithout } from './attack.ts';

const day = 86_400;
/** When the draft is shown to the trusted worker. */
const now = (at + 1000) * 1000;

const dated = (seconds: number): Recipe => ({
  verdict: (v) => ({ ...v, predicate: { ...v.predicate, timeVerified: isoTime(seconds * 1000) } }),
});

/** As a trusted worker checks a draft: with the log and its own clock. */
async function draftOf(recipe: Recipe, off: readonly string[] = [], clock = now) {
  const { draft, leaves } = await makeProject(recipe);
  return verifyWithout(off, draft, { log: LogView.of(leaves), now: clock }, 'draft');
}

describe('the controller dates a verdict a year ahead, for consumers that ask how old it is', () => {
  const future = dated(at + 365 * day);
  it('the trusted worker compares it with its own clock', async () => {
    expect((await draftOf(future)).code).toBe('VERDICT_FROM_FUTURE');
    expect(await draftOf(future, ['VERDICT_FROM_FUTURE'])).toMatchObject({ ok: true, level: 'trusted' });
  });
  it('and where it was signed all the same, its own time is on the log’s checkpoint', async () => {
    const { bundle } = await makeProject(future);
    expect((await verifyWithout([], bundle)).code).toBe('VERDICT_NOT_IN_TIME');
    const believed = await verifyWithout(['VERDICT_NOT_IN_TIME'], bundle);
    expect(believed).toMatchObject({ ok: true, level: 'trusted' });
    const then = { now: (at + 365 * day + 3600) * 1000, maxAgeSeconds: day };
    expect(checkAge(believed, then)).toMatchObject({ ok: false, code: 'VERDICT_TOO_OLD' });
  });
  it('a verdict of some seconds ahead is taken: clocks differ', async () => {
    const ahead = dated(at + 1000 + limits.clockSkewSeconds);
    expect(await draftOf(ahead)).toMatchObject({ ok: true, level: 'trusted' });
  });
});

describe('the age of evidence', () => {
  it('counts from the older of verdict and witness', async () => {
    const { bundle } = await makeProject();
    const held = await verifyWithout([], bundle);
    expect(held.facts).toMatchObject({
      time: isoTime((at + 1000) * 1000),
      witnessed: isoTime((at + 1010) * 1000),
    });
    expect(checkAge(held, { now: (at + 1000 + day) * 1000, maxAgeSeconds: day })).toMatchObject({ ok: true });
    expect(checkAge(held, { now: (at + 1001 + day) * 1000, maxAgeSeconds: day }).code).toBe(
      'VERDICT_TOO_OLD',
    );
    expect(checkAge(held, { now: at * 1000, maxAgeSeconds: day }).code).toBe('VERDICT_FROM_FUTURE');
  });
});

describe('a publisher whose grant ended orders builds with the controller’s help', () => {
  it('under a request that never ends', async () => {
    const endless: Recipe = { request: (r) => ({ ...r, exp: r.iat + judgeLimits.requestSecondsMax + 1 }) };
    const { bundle } = await makeProject(endless);
    expect((await verifyWithout([], bundle)).code).toBe('REQUEST_TOO_LONG');
    expect(await verifyWithout(['REQUEST_TOO_LONG'], bundle)).toMatchObject({ ok: true, level: 'trusted' });
    expect(
      await makeProject({ request: (r) => ({ ...r, exp: r.iat + judgeLimits.requestSecondsMax }) }).then(
        (longest) => verifyWithout([], longest.bundle),
      ),
    ).toMatchObject({ ok: true });
  });

  it('under one of before: the first round came after the grant', async () => {
    const then = at - 2 * day;
    const dismissed: Recipe = {
      publisherGrant: (g) => ({ ...g, iat: then, exp: then + day }),
      request: (r) => ({ ...r, iat: then + 60, exp: then + 60 + judgeLimits.requestSecondsMax }),
    };
    const { bundle } = await makeProject(dismissed);
    expect((await verifyWithout([], bundle)).code).toBe('GRANT_NOT_VALID_THEN');
    expect(await verifyWithout(['GRANT_NOT_VALID_THEN'], bundle)).toMatchObject({
      ok: true,
      level: 'trusted',
    });
  });

  it('a later round opens as long as the request stands, whatever became of the grant', async () => {
    const runs = [
      { operator: 'ada', builds: 'a' },
      { operator: 'bob', builds: 'b' },
      { operator: 'cyd', round: 2 },
      { operator: 'dan', round: 2 },
    ];
    const { bundle } = await makeProject({ runs, publisherGrant: (g) => ({ ...g, exp: at + 120 }) });
    expect(await verifyWithout([], bundle)).toMatchObject({ ok: true, level: 'trusted' });
  });

  it('under a request that is over, with a verdict dated back', async () => {
    const over = (at + 7200 + limits.clockSkewSeconds + 1) * 1000;
    expect((await draftOf({}, [], over)).code).toBe('REQUEST_OVER');
    expect(await draftOf({}, ['REQUEST_OVER'], over)).toMatchObject({ ok: true, level: 'trusted' });
    const { draft } = await makeProject(dated(at - 3600));
    expect((await verifyWithout([], draft, { now: over }, 'draft')).code).toBe('VERDICT_NOT_IN_TIME');
  });
});

describe('an honest trusted worker that is shown a draft days later', () => {
  it('signs it while the request stands', async () => {
    const { draft } = await makeProject({
      request: (r) => ({ ...r, exp: r.iat + judgeLimits.requestSecondsMax }),
    });
    const later = (at + 3 * day) * 1000;
    expect(await verifyWithout([], draft, { now: later }, 'draft')).toMatchObject({ level: 'trusted' });
  });
});
