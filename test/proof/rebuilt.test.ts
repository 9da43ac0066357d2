import { describe, expect, it } from 'vitest';
import {
  type Bundle,
  openStatement,
  type Receipt,
  resultOf,
  type Verdict,
  type VerdictFacts,
} from '../../src/core/documents/index.ts';
import { QuorateError } from '../../src/core/errors.ts';
import { type Verification, verifyBy } from '../../src/core/trust/verify.ts';
import { joseVerifier } from '../../src/identity/verifier.ts';
import * as them from '../support/project.ts';
import { edits } from './mutants.ts';

/**
 * Bundles in which one field is false and everything that follows from it was made anew, signed by the keys that an attacker
 * holds. (`mutation.ts` changes one document and leaves the others.) Whoever has other keys is honest: the trusted worker
 * signs what it built, once the evidence and the log hold.
 */
type Json = Parameters<typeof edits>[0];
type Hook =
  | 'request'
  | 'publisherGrant'
  | 'offer'
  | 'lease'
  | 'grant'
  | 'receipt'
  | 'verdictFacts'
  | 'verdict';
const now = (them.at + 1000) * 1000;
const isTrusted = ({ slot }: them.Run) => slot === 'trusted';

/** The change that a field of `edits` names, made to another value of the same shape. */
function change(field: string, from: Json, to: Json): Json {
  const [path = '', how = ''] = field.split(' ');
  const [key, ...rest] = path.split('.');
  if (path === '' || key === undefined) return from;
  const at = (value: Json, name: string): Json =>
    (Array.isArray(value) ? value[Number(name)] : (value as Record<string, Json>)[name]) ?? null;
  if (rest.length > 0) {
    const inner = change(`${rest.join('.')}${how === '' ? '' : ` ${how}`}`, at(from, key), at(to, key));
    return Array.isArray(from) ? from.with(Number(key), inner) : { ...(from as object), [key]: inner };
  }
  if (Array.isArray(from) && how !== '' && how !== 'emptied') {
    const i = Number(key);
    if (how === 'dropped') return from.toSpliced(i, 1);
    if (how === 'doubled') return from.toSpliced(i, 0, from[i] ?? null);
    return from.toSpliced(i - 1, 2, from[i] ?? null, from[i - 1] ?? null);
  }
  const leaf = how === 'emptied' ? [] : at(to, key);
  return Array.isArray(from) ? from.with(Number(key), leaf) : { ...(from as object), [key]: leaf };
}

interface Attack {
  what: string;
  recipe: them.Recipe;
}

/** Every field of a document of this kind changed; `by` says whose. */
async function attacksOn(
  hook: Hook,
  by: (run: them.Run) => boolean,
  more: them.Recipe = {},
): Promise<Attack[]> {
  let sample: Json = null;
  const look = (valid: unknown, run?: them.Run) => {
    if (run === undefined || by(run)) sample = valid as Json;
    return valid as never;
  };
  await them.makeProject({ [hook]: look });
  return [...edits(sample, 'likely')].map(({ field, value }) => ({
    what: `${hook}: ${field}`,
    recipe: {
      ...more,
      [hook]: (valid: unknown, run?: them.Run) =>
        (run === undefined || by(run) ? change(field, valid as Json, value) : valid) as never,
    },
  }));
}

/** The verdict says that what the operators list is trusted, whatever the trusted worker built. */
function asOperatorsSay(attack: Attack): Attack {
  let said: Receipt['subject'] = [];
  const { receipt = (valid: Receipt) => valid } = attack.recipe;
  return {
    what: `${attack.what}, and the verdict follows`,
    recipe: {
      ...attack.recipe,
      receipt: (valid, run) => {
        const made = receipt(valid, run);
        if (!isTrusted(run)) said = made.subject;
        return made;
      },
      verdictFacts: (f: VerdictFacts) => {
        const line = f.receipts.find(({ slot }) => slot !== 'trusted');
        return { ...f, level: 'trusted', outcome: line?.outcome ?? null };
      },
      verdict: (v: Verdict) => ({ ...v, subject: said }),
    },
  };
}

/** What an honest trusted worker does with a draft: signs it where all of it holds and it built the same. */
async function cosigned(draft: Bundle, leaves: string[], built: string | null): Promise<Bundle> {
  const expected = { project: them.project, leaves, now };
  const checked = await verifyBy(new Set(), 'draft', draft, expected, joseVerifier);
  const { payload } = await openStatement('verdict', draft.verdict, joseVerifier);
  const signs =
    checked.ok && checked.level === payload.predicate.quorate_verdict.level && resultOf(payload) === built;
  return signs ? them.cosign(draft, them.trusted) : draft;
}

const verify = (bundle: Bundle, off: readonly string[] = []): Promise<Verification> =>
  verifyBy(new Set(off), 'whole', bundle, { project: them.project }, joseVerifier);

/** What a consumer is told is true, whoever else lies. */
const truthOf = ({ facts }: Verification) =>
  facts === null
    ? null
    : {
        artifact: facts.artifact,
        files: facts.files,
        repo: facts.repo,
        ref: facts.ref,
        commit: facts.commit,
      };

/** Runs the attacks; gives those after which something false is trusted, and how many were refused. */
async function play(attacks: Attack[], sign: 'honest' | 'anything', off: readonly string[] = []) {
  const valid = await them.makeProject();
  const truth = await verify(valid.bundle);
  const own = valid.votes.find(({ slot }) => slot === 'trusted')?.result ?? null;
  const believed: string[] = [];
  let refused = 0;
  for (const { what, recipe } of attacks) {
    try {
      const { draft, leaves } = await them.makeProject(recipe);
      const bundle =
        sign === 'honest' ? await cosigned(draft, leaves, own) : await them.cosign(draft, them.trusted);
      const result = await verify(bundle, off);
      if (!result.ok || result.level !== 'trusted') refused++;
      else if (JSON.stringify(truthOf(result)) !== JSON.stringify(truthOf(truth))) believed.push(what);
    } catch (error) {
      // No such document can be made.
      if (!(error instanceof QuorateError)) throw error;
      refused++;
    }
  }
  return { believed, refused, played: attacks.length };
}

const everybody = () => true;

describe('nothing false is trusted, with everything made anew by', () => {
  it('the controller’s process: it has the identity provider’s key too, and invents operators', async () => {
    const receipts = await attacksOn('receipt', (run) => !isTrusted(run));
    const logs = Array.from({ length: 10 }, (_, i) => [
      { what: `log: ${i} dropped`, recipe: { log: (all: string[]) => all.toSpliced(i, 1) } },
      {
        what: `log: ${i} is another`,
        recipe: { log: (all: string[]) => all.with(i, 'verdict of somebody') },
      },
    ]).flat();
    const attacks = [
      ...(await attacksOn('publisherGrant', everybody)),
      ...(await attacksOn('offer', everybody)),
      ...(await attacksOn('lease', everybody)),
      ...(await attacksOn('grant', everybody)),
      ...receipts,
      ...receipts.map(asOperatorsSay),
      ...(await attacksOn('verdictFacts', everybody)),
      ...(await attacksOn('verdict', everybody)),
      ...logs,
    ];
    const { believed, refused } = await play(attacks, 'honest');
    expect(believed).toEqual([]);
    expect(refused).toBeGreaterThan(150);
  });

  it('control: where files are no part of a vote, a false hash is trusted', async () => {
    const receipts = await attacksOn('receipt', (run) => !isTrusted(run));
    const hashes = receipts.filter(({ what }) => what.startsWith('receipt: subject.1.digest'));
    const attacks = hashes.map(asOperatorsSay);
    expect((await play(attacks, 'anything')).believed).toEqual([]);
    const { believed } = await play(attacks, 'anything', ['VERDICT_SUBJECTS_MISMATCH']);
    expect(believed).toEqual(attacks.map(({ what }) => what));
  });

  it('the trusted worker’s key alone: it signs whatever it is shown', async () => {
    const { believed, refused } = await play(await attacksOn('receipt', isTrusted), 'anything');
    expect(believed).toEqual([]);
    expect(refused).toBeGreaterThan(20);
  });

  it('N operators', async () => {
    const { believed, refused } = await play(await attacksOn('receipt', (run) => !isTrusted(run)), 'honest');
    expect(believed).toEqual([]);
    expect(refused).toBeGreaterThan(20);
  });

  it('one operator of three, whose lie the others outvote', async () => {
    const attacks = await attacksOn('receipt', ({ operator }) => operator === 'ada');
    const { believed, refused, played } = await play(attacks, 'honest');
    expect(believed).toEqual([]);
    expect(refused).toBeLessThan(played);
  });

  it('the publisher: a build of another source than the job’s is refused', async () => {
    const { believed } = await play(await attacksOn('request', everybody), 'honest');
    // It may say of which ref the commit is: nobody else knows.
    expect(believed.filter((what) => !/^request: ref$/.test(what))).toEqual([]);
  });
});
