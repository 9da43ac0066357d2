import { messageOf, QuorateError } from '../../../protocol/base/errors.ts';
import { escapeLine } from '../../../protocol/base/escape.ts';
import { limits } from '../../../protocol/base/limits.ts';
import { counted, sizeTexts } from '../../../protocol/base/quantity.ts';
import { type NamedRecipe, parseRecipe } from '../../../protocol/base/recipe-name.ts';
import { units } from '../../../protocol/base/units.ts';
import { decodeBundle, publicKeyOf, type Verifier } from '../../../protocol/documents/index.ts';
import {
  answerLine,
  checkAge,
  checkContent,
  goOn,
  isTrusted,
  pathsOf,
  type ReportLine,
  refuse,
  reportOf,
  type Verification,
  type VerifiedFacts,
  verifyBundle,
} from '../../../protocol/trust/index.ts';
import type { Given } from './content.ts';
import { type Brought, knowledgeOf } from './knowledge.ts';

export interface Question {
  project: string;
  bundle: { name: string; bytes: number; text(): Promise<string> };
  /** Undefined where no artifact was given; an error where what was given cannot be one. */
  artifact: { name: string; given: Given | QuorateError } | undefined;
  /** CID of the artifact that it is to be about, where a link named one. */
  about?: string;
  source?: string;
  ref?: string;
  recipe?: NamedRecipe;
  path?: string;
  maxAgeSeconds?: number;
  /** Revocations from a file or a server; undefined where nobody was asked. */
  brought?: Brought;
  /** The clock, ms. */
  now: number;
}

export interface Answer {
  /** The output of `quorate verify` for the same, line by line. */
  lines: ReportLine[];
  /** Whether the artifact that was given can be used, by all that is known of revocations. False where nothing is. */
  isTrusted: boolean;
  /** How the last line is shown: `open` where all that was asked holds, and it is not known to be trusted. */
  standing: 'good' | 'open' | 'bad';
  last: string;
  result: Verification;
}

const nothingKnown: ReportLine = {
  kind: 'warning',
  says: 'Whether anything was revoked is not known here: name a server to ask, or choose a file of revocations.',
};

/**
 * Demands as people write them; an empty one is none. The form's own check is not made for dropped files.
 * @throws VERIFY_INPUT_INVALID
 */
export function demandsOf(
  written: { [Name in 'source' | 'ref' | 'recipe' | 'path' | 'age']?: string },
): Pick<Question, 'source' | 'ref' | 'recipe' | 'path' | 'maxAgeSeconds'> {
  const { source, ref, path } = written;
  const recipe = written.recipe ? parseRecipe(written.recipe) : undefined;
  const maxAgeSeconds = written.age ? units.time.parse(written.age) : undefined;
  if (written.recipe && recipe === undefined)
    throw new QuorateError('VERIFY_INPUT_INVALID', 'the job file is not REPO[@COMMIT]:PATH', {
      hint: 'Such as https://host/recipes.git:tool.yaml',
    });
  if (written.age && maxAgeSeconds === undefined)
    throw new QuorateError('VERIFY_INPUT_INVALID', `the age of the verdict is not ${units.time.form}`);
  return {
    ...(source && { source }),
    ...(ref && { ref }),
    ...(recipe && { recipe }),
    ...(path && { path }),
    ...(maxAgeSeconds !== undefined && { maxAgeSeconds }),
  };
}

/** Verifies as `quorate verify` does. @throws KEY_INVALID, VERIFY_INPUT_INVALID, REVOCATION_UNREADABLE */
export async function check(question: Question, verifier: Verifier): Promise<Answer> {
  const {
    project,
    bundle: file,
    artifact,
    about,
    source,
    ref,
    recipe,
    path,
    maxAgeSeconds,
    brought,
    now,
  } = question;
  publicKeyOf(project);
  if (path !== undefined) checkIsFile(artifact);
  const bundle = await openBundle(file);
  const known = brought && (await knowledgeOf(brought, { project, bundle, verifier, now }));
  const expected = {
    project,
    ...(known !== undefined && { revocations: known.revoked }),
    ...(about !== undefined && { artifact: about }),
    ...(source !== undefined && { source }),
    ...(ref !== undefined && { ref }),
    ...(recipe !== undefined && { recipe }),
  };
  let result = await verifyBundle(bundle, expected, verifier);
  if (artifact !== undefined) result = compare(result, artifact.given, path);
  const isWhole = isComparedWhole(result, artifact);
  if (maxAgeSeconds !== undefined) result = checkAge(result, { now, maxAgeSeconds });
  const holds = artifact === undefined ? result.ok : isTrusted(result);
  return {
    lines: [...reportOf(result), ...(known?.lines ?? [nothingKnown])],
    isTrusted: artifact !== undefined && holds && known !== undefined,
    standing: !holds ? 'bad' : known !== undefined && isTrusted(result) && isWhole ? 'good' : 'open',
    last: lastLine(result, { artifact, isWhole, isKnown: known !== undefined }),
    result,
  };
}

function checkIsFile(artifact: Question['artifact']): void {
  if (artifact === undefined || artifact.given instanceof QuorateError || artifact.given.kind === 'file')
    return;
  throw new QuorateError(
    'VERIFY_INPUT_INVALID',
    `the path is for a file of the artifact, and ${artifact.name} is compared as a whole`,
    { hint: 'Leave the path out, or choose the file.' },
  );
}

async function openBundle({ name, bytes, text }: Question['bundle']) {
  if (bytes > limits.bundleBytesMax) {
    const [size, most] = sizeTexts(bytes, limits.bundleBytesMax);
    throw new QuorateError('VERIFY_INPUT_INVALID', `${name} has ${size}; at most ${most} are read`, {
      hint: 'Name the file that fetch --bundle-out wrote.',
    });
  }
  try {
    return decodeBundle(await text());
  } catch (cause) {
    throw new QuorateError('VERIFY_INPUT_INVALID', `${name} proves nothing: ${messageOf(cause)}`, {
      hint: 'Fetch the artifact again, with --bundle-out.',
      cause,
    });
  }
}

function compare(before: Verification, given: Given | QuorateError, path: string | undefined): Verification {
  if (!before.ok) return before;
  if (given instanceof QuorateError) return refuse(before, 'files', given);
  if (given.kind === 'archive') return checkContent(before, { kind: 'tree', cid: given.cid });
  if (given.kind === 'folder') return checkFolder(before, given);
  const { sha256 } = given;
  return checkContent(before, { kind: 'file', sha256, ...(path !== undefined && { path }) });
}

/** Whether nothing of what was given is left out: of a folder whose tree is not the artifact's the names and bytes of files alone are. */
function isComparedWhole({ facts }: Verification, artifact: Question['artifact']): boolean {
  if (artifact === undefined || artifact.given instanceof QuorateError || artifact.given.kind !== 'folder')
    return true;
  return artifact.given.trees.some((one) => one === facts?.artifact);
}

/** As a tree where that is the artifact's; else each file by its sha256 and path, which leaves out what a browser does not tell. */
function checkFolder(before: Verification, { trees, files }: Extract<Given, { kind: 'folder' }>) {
  const { facts } = before;
  const [plain = ''] = trees;
  const cid = trees.find((one) => one === facts?.artifact);
  if (cid !== undefined || facts === null || facts.kind === 'test')
    return checkContent(before, { kind: 'tree', cid: cid ?? plain });
  return goOn(before, 'files', (wanted) => {
    compareFiles(wanted, files);
    return `Recomputed from the files: each of ${counted(files.length, 'file')} has the sha256 of its path in the artifact. Executable bits, links and empty folders are not compared: a browser does not tell them.`;
  });
}

function compareFiles({ files: wanted }: VerifiedFacts, files: readonly { path: string; sha256: string }[]) {
  const hashes = new Map(wanted.map(({ path, sha256 }) => [path, sha256]));
  const wrong = files.find(({ path, sha256 }) => hashes.get(path) !== sha256);
  if (wrong !== undefined) {
    const why = hashes.has(wrong.path)
      ? `its sha256 is ${wrong.sha256}; in the artifact it is ${hashes.get(wrong.path)}`
      : 'the artifact has no such file';
    throw new QuorateError('FILES_TREE_MISMATCH', `${escapeLine(wrong.path, 200)}: ${why}`);
  }
  const here = new Set(files.map(({ path }) => path));
  const missing = wanted.find(({ path }) => !here.has(path));
  if (missing !== undefined)
    throw new QuorateError(
      'FILES_TREE_MISMATCH',
      `${escapeLine(missing.path, 200)} of the artifact is not among the files`,
    );
}

function lastLine(
  result: Verification,
  { artifact, isWhole, isKnown }: Pick<Question, 'artifact'> & { isWhole: boolean; isKnown: boolean },
): string {
  const parts = [
    answer(result, artifact).replace(/\.$/, ''),
    ...(isTrusted(result) && !isWhole ? ['but for executable bits, links and empty folders'] : []),
    ...(result.ok && !isKnown ? ['unless something was revoked: nobody was asked'] : []),
  ];
  return `${parts.join(', ')}.`;
}

function answer(result: Verification, artifact: Question['artifact']): string {
  if (artifact === undefined) {
    if (!result.ok) return 'The evidence does not hold.';
    return isTrusted(result)
      ? 'The evidence holds. No file was compared with it.'
      : 'The evidence holds, and its level is not trusted. No file was compared with it.';
  }
  const { name, given } = artifact;
  const paths =
    result.facts !== null && !(given instanceof QuorateError) && given.kind === 'file'
      ? pathsOf(result.facts, given.sha256)
      : undefined;
  return answerLine(name, result, paths);
}
