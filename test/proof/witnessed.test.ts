import { describe, expect, it } from 'vitest';
import { joseVerifier } from '../../src/identity/verifier.ts';
import type { Bundle } from '../../src/protocol/documents/index.ts';
import { verifyBundle } from '../../src/protocol/trust/index.ts';
import { makeProject, namedWitness, policy, project, type Recipe } from '../support/project.ts';

/** As few witnesses as are needed: two operators, one of them without a receipt, and one of two that the charter names. */
const recipe: Recipe = {
  own: null,
  policy: { ...policy, cosign: 'none' },
  charter: (charter) => ({
    ...charter,
    witnesses: { need: 1, keys: ['w.example', 'v.example'].map(namedWitness) },
  }),
  witnesses: [{ operator: 'ada' }, { operator: 'fay' }],
  namedWitnesses: ['w.example'],
};

const verify = (bundle: Bundle) => verifyBundle(bundle, { project }, joseVerifier);
const refusals = [
  'CHECKPOINT_BAD_SIGNATURE',
  'CHECKPOINT_MALFORMED',
  'DOC_NOT_BASE64',
  'WITNESS_OPERATORS_MISSING',
  'CHARTER_WITNESS_MISSING',
];

describe('a bundle that rests on witnesses', () => {
  it('is refused with any of their lines dropped, renamed or with a byte changed', async () => {
    const { bundle } = await makeProject(recipe);
    expect(await verify(bundle)).toMatchObject({ ok: true, level: 'trusted' });
    const [body = '', signatures = ''] = bundle.checkpoint.split('\n\n');
    const lines = signatures.split(/(?<=\n)/);
    expect(lines).toHaveLength(4);
    const withLine = (at: number, ...line: string[]): Bundle => ({
      ...bundle,
      checkpoint: `${body}\n\n${lines.toSpliced(at, 1, ...line).join('')}`,
    });
    const mutants: [string, Bundle][] = [];
    for (const at of [1, 2, 3]) {
      const [dash, name = '', base64 = ''] = (lines[at] ?? '').trim().split(' ');
      mutants.push([`${at} dropped`, withLine(at)]);
      for (const other of ['v.example', lines[at === 1 ? 2 : 1]?.split(' ')[1] ?? ''])
        if (other !== name) mutants.push([`${at} as ${other}`, withLine(at, `${dash} ${other} ${base64}\n`)]);
      const bytes = Buffer.from(base64, 'base64');
      for (let byte = 0; byte < bytes.length; byte += 3) {
        const changed = Buffer.from(bytes);
        changed[byte] = (changed[byte] ?? 0) ^ 1;
        mutants.push([`${at} byte ${byte}`, withLine(at, `${dash} ${name} ${changed.toString('base64')}\n`)]);
      }
    }
    for (const [what, mutant] of mutants) {
      const { ok, code } = await verify(mutant);
      expect({ what, ok, refused: refusals.includes(String(code)) }).toEqual({
        what,
        ok: false,
        refused: true,
      });
    }
    expect(mutants.length).toBeGreaterThan(70);
  });

  it('is refused without the grant of a witness that has no receipt, or with one that is not its own or not whole', async () => {
    const { bundle } = await makeProject(recipe);
    const [grant = ''] = bundle.witnesses ?? [];
    const { witnesses: _, ...without } = bundle;
    const [head = '', body = '', signature = ''] = grant.split('.');
    const other = await makeProject({ ...recipe, witnesses: [{ operator: 'ada' }, { operator: 'gus' }] });
    const codes = await Promise.all(
      [
        without,
        { ...bundle, witnesses: other.bundle.witnesses ?? [] },
        { ...bundle, witnesses: [`${head}.${body.slice(0, -2)}AA.${signature}`] },
        { ...bundle, witnesses: [bundle.publisher] },
      ].map(async (mutant) => (await verify(mutant as Bundle)).code),
    );
    expect(codes).toEqual([
      'WITNESS_OPERATORS_MISSING',
      'WITNESS_OPERATORS_MISSING',
      'DOC_BAD_SIGNATURE',
      'WITNESS_OPERATORS_MISSING',
    ]);
  });
});
