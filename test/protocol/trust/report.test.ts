import { expect, it } from 'vitest';
import { answerLine, isTrusted, reportOf, type Verification } from '../../../src/protocol/trust/index.ts';
import { notCosigned } from '../../../src/protocol/trust/not-cosigned.ts';
import { policy, recipe, testKey } from '../../support/documents.ts';

const facts = {
  name: 'app',
  kind: 'build',
  repo: 'r',
  ref: 'main',
  commit: 'c',
  recipe: null,
  policy,
  operators: ['ada', 'bob'],
  dissent: [],
  cosigners: [testKey('trusted').id],
  artifact: 'bafy',
  witnesses: { operators: [], named: [] },
  witnessed: null,
};
const verification = (over: object = {}, more: object = {}): Verification =>
  ({
    ok: true,
    level: 'trusted',
    code: null,
    steps: [],
    facts: { ...facts, ...over },
    ...more,
  }) as unknown as Verification;
const said = (of: Verification) =>
  reportOf(of).map((line) =>
    line.kind === 'fact' ? `${line.label}: ${line.says}` : line.kind === 'warning' ? line.says : line.kind,
  );

it('a report says of each step whether it held, and of a verification that held what it is about', () => {
  const steps = [
    { step: 'charter', ok: true, code: null, says: 'yes\u001b' },
    { step: 'job', ok: false, code: 'JOB_REVOKED', says: 'no.' },
  ];
  expect(reportOf(verification({}, { ok: false, facts: null, steps }))).toEqual([
    { kind: 'step', step: 'charter', ok: true, says: 'yes\\x1b' },
    { kind: 'step', step: 'job', ok: false, says: 'no. [JOB_REVOKED]' },
  ]);
  expect(said(verification())).toEqual([
    ...['level', 'source: r', 'ref: main', 'commit: c', 'built by: ada, bob'],
    expect.stringMatching(/^co-signed: 12D3Koo…/),
  ]);
});

it.each<[object, string]>([
  [{ cosigners: [] }, 'co-signed: by no trusted worker'],
  [{ recipe }, `job file: ${recipe.repo}@${recipe.commit}:${recipe.path}`],
  [{ kind: 'test' }, 'of a test: app: its files are reports, and no artifact'],
  [{ cosigners: [], policy: { ...policy, cosign: 'none' } }, notCosigned],
  [{ witnesses: { operators: ['ada', 'bob'], named: [] }, witnessed: 'then' }, 'witnessed: ada, bob; then'],
  [
    { witnesses: { operators: ['ada'], named: ['bob', 'w1'] }, witnessed: 'then' },
    'witnessed: ada; witnesses of the charter: bob, w1; then',
  ],
  [
    { dissent: [{ operator: 'eve', worker: 'w', outcome: { kind: 'aborted', reason: 'time' } }] },
    'dissent: eve w: aborted (time)',
  ],
  [
    { dissent: [{ operator: 'eve', worker: 'w', outcome: { kind: 'exit', code: 1, artifact: null } }] },
    'dissent: eve w: exit 1',
  ],
  [
    { dissent: [{ operator: 'eve', worker: 'w', outcome: { kind: 'exit', code: 0, artifact: 'bafz' } }] },
    'dissent: eve w: bafz',
  ],
  [
    { dissent: [{ operator: 'eve', worker: 'w', outcome: { kind: 'exit', code: 0, artifact: 'bafy' } }] },
    'dissent: eve w: bafy, with other files or hashes listed',
  ],
  [
    {
      kind: 'test',
      dissent: [{ operator: 'eve', worker: 'w', outcome: { kind: 'exit', code: 1, artifact: 'bafy' } }],
    },
    'dissent: eve w: exit 1, bafy',
  ],
])('of %j it has one line more', (over, line) => {
  expect(said(verification())).not.toContain(line);
  expect(said(verification(over))).toContain(line);
});

it('of a failed test a dissent that passed with the same reports', () => {
  const dissent = [{ operator: 'eve', worker: 'w', outcome: { kind: 'exit', code: 0, artifact: 'bafy' } }];
  expect(said(verification({ kind: 'test', dissent }, { level: 'failed' }))).toContain(
    'dissent: eve w: exit 0, bafy',
  );
});

it('no warning where a trusted worker signed, or the policy asks for that', () => {
  for (const over of [{ cosigners: [] }, { policy: { ...policy, cosign: 'none' } }])
    expect(said(verification(over))).not.toContain(notCosigned);
});

it('the answer is yes where all steps held and the level is trusted', () => {
  expect(answerLine('a', verification())).toBe('a can be trusted.');
  expect(answerLine('a', verification(), ['bin/a', 'b'])).toBe(
    'a can be trusted, as bin/a, b of the artifact.',
  );
  for (const more of [{ ok: false }, { level: 'agreed' }]) {
    expect(answerLine('a', verification({}, more))).toBe('a: no.');
    expect(isTrusted(verification({}, more))).toBe(false);
  }
});
