import { describe, expect, it } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { type Bundle, openStatement, resultOf } from '../../../src/protocol/documents/index.ts';
import { checkContent, LogView } from '../../../src/protocol/trust/index.ts';
import { cosign, exit, makeProject, policy, type Recipe, type Run, trusted } from '../../support/project.ts';
import { verifyWithout } from './attack.ts';

/** The guard under attack: off, files and their hashes are no part of a vote. */
const guard = ['VERDICT_SUBJECTS_MISMATCH'];
const evilFile = 'e'.repeat(64);
const three = ['m1', 'm2', 'm3'].map((operator): Run => ({ operator, builds: 'good' }));

interface Listing {
  subject: { name: string; digest: { sha256: string } }[];
}
/** The right tree, and the hash of a file that nobody built. */
const lie = <T extends Listing>(statement: T): T => ({
  ...statement,
  subject: [...statement.subject.slice(0, 1), { name: 'app', digest: { sha256: evilFile } }],
});
const lyingIf = (lies: (run: Run) => boolean): Recipe => ({
  level: 'trusted',
  outcome: exit('good'),
  receipt: (receipt, run) => (lies(run) ? lie(receipt) : receipt),
  verdict: lie,
});

const believes = async (bundle: Bundle, off: readonly string[]) =>
  checkContent(await verifyWithout(off, bundle), { kind: 'file', sha256: evilFile });

describe('the controller’s process invents operators that list false hashes beside the right tree', () => {
  const recipe = { runs: three, ...lyingIf(({ slot }) => slot !== 'trusted') };
  it('an honest trusted worker finds no evidence that holds, and did not build that', async () => {
    const { draft, leaves } = await makeProject(recipe);
    expect(await verifyWithout([], draft, { log: LogView.of(leaves) }, 'draft')).toMatchObject({
      ok: false,
      code: 'VERDICT_UNSUPPORTED_BY_EVIDENCE',
    });
    const { payload } = await openStatement('verdict', draft.verdict, joseVerifier);
    const built = await makeProject();
    const { payload: own } = await openStatement('verdict', built.draft.verdict, joseVerifier);
    expect(resultOf(payload)).not.toBe(resultOf(own));
  });
  it('a consumer refuses the bundle, whoever signed it', async () => {
    const { draft } = await makeProject(recipe);
    expect((await believes(await cosign(draft, trusted), [])).ok).toBe(false);
  });
  it('control: where files are no part of the vote, the evil file is trusted', async () => {
    const { draft, leaves } = await makeProject(recipe);
    expect(await verifyWithout(guard, draft, { log: LogView.of(leaves) }, 'draft')).toMatchObject({
      level: 'trusted',
    });
    expect(await believes(await cosign(draft, trusted), guard)).toMatchObject({ ok: true, level: 'trusted' });
  });
});

describe('a stolen key of the trusted worker lists false hashes beside the right tree', () => {
  it('and contradicts the operators: nothing is trusted', async () => {
    const { bundle } = await makeProject(lyingIf(({ slot }) => slot === 'trusted'));
    expect((await believes(bundle, [])).code).toBe('VERDICT_UNSUPPORTED_BY_EVIDENCE');
  });
  it('also with one of the N operators: the others built other files', async () => {
    const lies = ({ slot, operator }: Run) => slot === 'trusted' || operator === 'ada';
    const { bundle } = await makeProject(lyingIf(lies));
    expect((await believes(bundle, [])).code).toBe('VERDICT_UNSUPPORTED_BY_EVIDENCE');
  });
  it('control: where files are no part of the vote, the evil file is trusted', async () => {
    const { bundle } = await makeProject(lyingIf(({ slot }) => slot === 'trusted'));
    expect(await believes(bundle, guard)).toMatchObject({ ok: true, level: 'trusted' });
  });
});

describe('where no co-signature is required', () => {
  const open: Recipe = { own: null, policy: { ...policy, cosign: 'none' } };
  it('operators that build the same tree and list other files do not agree', async () => {
    const { bundle } = await makeProject({
      ...open,
      runs: [{ operator: 'ada' }, { operator: 'mallory' }],
      ...lyingIf(({ operator }) => operator === 'mallory'),
    });
    expect((await believes(bundle, [])).code).toBe('VERDICT_UNSUPPORTED_BY_EVIDENCE');
    expect(await believes(bundle, guard)).toMatchObject({ ok: true, level: 'trusted' });
  });
});
