import { expect, it } from 'vitest';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { type Bundle, decodeBundle } from '../../src/protocol/documents/index.ts';
import { atLeast, verifyBundle } from '../../src/protocol/trust/index.ts';
import { makeAnswer } from '../support/answers.ts';
import * as them from '../support/project.ts';
import { verifier } from './asked-once.ts';
import { bundleMutants, messageMutants, statementMutants } from './spoil.ts';

/** Of each kind of change one in so many. */
const every = 10;

it('an answer says no more, whatever one changes in it, or who has lost a key but the root', async () => {
  const from = await them.makeProject();
  const { bundle } = await makeAnswer({ from });
  const truth = await verifyBundle(bundle, { project: them.project }, verifier);
  expect(truth).toMatchObject({ ok: true, level: 'trusted' });
  const keys = [them.controller, them.idp, them.log, them.publisher, them.trusted];
  const mallory = them.testKey('mallory');
  const all = [
    ...bundleMutants(bundle),
    ...(await messageMutants(bundle, keys, mallory)),
    ...(await statementMutants(bundle, keys, mallory)),
  ].filter((_, n) => n % every === 0);
  let refused = 0;
  for (const { group, field, changed } of all) {
    let mutant: Bundle;
    try {
      mutant = typeof changed === 'string' ? decodeBundle(changed) : changed;
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      refused++;
      continue;
    }
    const found = await verifyBundle(mutant, { project: them.project }, verifier);
    if (!found.ok || found.facts === null || truth.facts === null) {
      refused++;
      continue;
    }
    // A publisher may ask otherwise, and then signs it. What was built stays what it was.
    const { artifact, job, repo, commit, files, cosigners, earlier } = found.facts;
    const { facts } = truth;
    expect({ artifact, job, repo, commit, files, cosigners, earlier }, `${group}: ${field}`).toEqual({
      artifact: facts.artifact,
      job: facts.job,
      repo: facts.repo,
      commit: facts.commit,
      files: facts.files,
      cosigners: facts.cosigners,
      earlier: facts.earlier,
    });
    expect(atLeast(truth.level, found.level), `${group}: ${field}`).toBe(true);
  }
  expect(refused).toBeGreaterThan(80);
});
