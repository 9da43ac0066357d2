import { describe, expect, it } from 'vitest';
import { leaves as leafOf } from '../../../src/protocol/documents/index.ts';
import { LogView } from '../../../src/protocol/trust/index.ts';
import { makeProject, type Recipe } from '../../support/project.ts';
import { verifyWithout } from './attack.ts';

/** Puts leaves into the log right before the verdict's. */
const beforeVerdict = (leaves: readonly string[], more: readonly string[]) => {
  const verdict = leaves.findIndex((leaf) => leaf.startsWith('verdict '));
  return [...leaves.slice(0, verdict), ...more, ...leaves.slice(verdict)];
};

/** As a trusted worker does, with all leaves of the log. */
async function reread(recipe: Recipe, off: readonly string[] = []) {
  const { draft, leaves } = await makeProject(recipe);
  return verifyWithout(off, draft, { log: LogView.of(leaves) }, 'draft');
}

describe('the controller leaves out a whole round of the request, with its dissent', () => {
  const hidden = '1'.repeat(64);
  const leftOut: Recipe = {
    log: (lines) => {
      const [, job = '', request = ''] =
        /job (\S+) request (\S+)$/.exec(lines.find((line) => line.startsWith('offer ')) ?? '') ?? [];
      const dissent = ['a', 'b', 'c'].map((x) => leafOf.receipt(x.repeat(64), hidden));
      return beforeVerdict(lines, [leafOf.offer(hidden, job, request), ...dissent]);
    },
  };
  it('the trusted worker finds it in the log: an offer names its request', async () => {
    expect((await reread(leftOut)).code).toBe('OFFER_DROPPED');
  });
  it('control: it signs where only the offers of the bundle are looked for', async () => {
    expect(await reread(leftOut, ['OFFER_DROPPED'])).toMatchObject({ ok: true, level: 'trusted' });
  });
  it('a round of the same request with other inputs does not matter: it is another job', async () => {
    const other: Recipe = {
      log: (lines) => {
        const [, request = ''] =
          / request (\S+)$/.exec(lines.find((line) => line.startsWith('offer ')) ?? '') ?? [];
        return beforeVerdict(lines, [leafOf.offer(hidden, 'bafyjob', request)]);
      },
    };
    expect(await reread(other)).toMatchObject({ ok: true, level: 'trusted' });
  });
  it('a round of another request does not matter', async () => {
    const other: Recipe = {
      log: (lines) => beforeVerdict(lines, [leafOf.offer(hidden, 'bafyjob', '2'.repeat(64))]),
    };
    expect(await reread(other)).toMatchObject({ ok: true, level: 'trusted' });
  });
});

describe('the controller decides under a charter that was replaced', () => {
  const replaced: Recipe = { log: (lines) => beforeVerdict(lines, [leafOf.charter('9'.repeat(64))]) };
  it('the trusted worker finds a later one in the log', async () => {
    expect((await reread(replaced)).code).toBe('CHARTER_NOT_IN_FORCE');
    expect(await reread(replaced, ['CHARTER_NOT_IN_FORCE'])).toMatchObject({ ok: true, level: 'trusted' });
  });
  it('or logs the one of before again, after the later one', async () => {
    const again: Recipe = {
      log: (lines) => beforeVerdict(lines, [leafOf.charter('9'.repeat(64)), lines[0] ?? '']),
    };
    expect((await reread(again)).code).toBe('CHARTER_NOT_IN_FORCE');
    expect(await reread(again, ['CHARTER_NOT_IN_FORCE'])).toMatchObject({ ok: true, level: 'trusted' });
  });
  it('or never logged the one it uses', async () => {
    const none: Recipe = { log: ([, ...lines]) => ['nothing', ...lines] };
    expect((await reread(none)).code).toBe('CHARTER_NOT_IN_FORCE');
  });
  it('one that comes after the verdict does not matter', async () => {
    const after: Recipe = { log: (lines) => [...lines, leafOf.charter('9'.repeat(64))] };
    expect(await reread(after)).toMatchObject({ ok: true, level: 'trusted' });
  });
});
