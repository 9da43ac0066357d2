import { expect, it } from 'vitest';
import type { Policy } from '../../../src/protocol/documents/index.ts';
import {
  sayCosigners,
  sayDecision,
  sayExpected,
  sayReceipts,
  sayRevocations,
  sayRounds,
  sayWitnessed,
} from '../../../src/protocol/trust/steps/sentences.ts';

const policy: Policy = { agree: 2, of: 3, cosign: 'required', rounds: 1 };

it('a step of a proof says what was there, and what was not', () => {
  expect([sayRounds(0, policy), sayRounds(1, policy), sayRounds(2, policy)]).toEqual([
    'The controller opened no round for it.',
    'The controller opened 1 round of 3 for it.',
    'The controller opened 2 rounds of 3 for it.',
  ]);
  expect([sayReceipts(0), sayReceipts(1), sayReceipts(2)]).toEqual([
    'There is no receipt.',
    expect.stringMatching(/^There is 1 receipt, /),
    expect.stringMatching(/^There are 2 receipts, /),
  ]);
  expect([sayRevocations(0), sayRevocations(1)]).toEqual([
    'No revocation is known here.',
    expect.stringMatching(/^None of the 1 revocation known here /),
  ]);
  expect([sayExpected({ project: 'p' }), sayExpected({ project: 'p', artifact: 'a', ref: 'b' })]).toEqual([
    'No artifact, repository or ref was asked for beforehand.',
    'It is about the artifact, ref asked for.',
  ]);
});

it('a step of a proof names a co-signature only where there is one', () => {
  expect(sayCosigners(['ada'], false)).toBe('Signed by 1 trusted worker that built the same (ada).');
  expect(sayCosigners([], false)).toBe('The verdict claims nothing that needs a co-signature.');
  const warning = sayCosigners([], true);
  expect(warning).not.toMatch(/ and signed| claims nothing/);
  const witnessed = { operators: ['ada', 'bob'], named: [], keys: [], times: [] };
  expect(sayWitnessed(witnessed)).toBe(`${warning} Workers of ada, bob signed the log.`);
  expect(sayWitnessed({ ...witnessed, named: ['w.example'] })).toMatch(/, and of w\.example, which/);
});

it('a decision says who built the same, and what the policy asks for', () => {
  const say = (level: 'trusted' | 'agreed' | 'failed' | 'none', cosign: Policy['cosign'] = 'required') =>
    sayDecision({ level, operators: ['ada'] } as never, { ...policy, cosign });
  expect(say('trusted')).toMatch(
    /trusted\. 1 operator built the same \(ada\); the policy asks for 2 of 3\.$/,
  );
  expect(say('agreed')).toMatch(/agreed\. .*more than is shown here\.$/);
  expect(say('failed', 'none')).toMatch(/the test failed, alike at 1 operator \(ada\)\.$/);
  expect(say('failed')).toMatch(/the build failed, at trusted workers too\.$/);
  expect(say('none')).toMatch(/there is no agreement\.$/);
});
