import { resolve } from 'node:path';
import { projectHere } from '../../owner/project.ts';
import { whereFrom } from '../../owner/where-from.ts';
import { codeOf, QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import type { NamedRecipe } from '../../protocol/base/recipe-name.ts';
import type { Bundle } from '../../protocol/documents/index.ts';
import type { RevocationBook } from '../../protocol/sessions/revocation-book.ts';
import type { Verification } from '../../protocol/trust/index.ts';
import type { Fingerprint } from '../../store/fingerprint.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { NewFile } from '../../terminal/new-file.ts';
import { addresses, recipe, secondsOf } from '../../terminal/values.ts';
import { localFile } from './recipe-of.ts';
import { openBook, readBundle, readText, sayKnowledge, sayVerification } from './verification.ts';

interface Options {
  bundle?: string;
  equivocation?: string;
  page?: string;
  project?: string;
  source?: string;
  ref?: string;
  recipe?: NamedRecipe;
  jobFile?: string;
  path?: string;
  maxAge?: number;
  online?: boolean;
  bootstrap?: string[];
  revocations?: string;
}

export const verify: Define = (program, act) =>
  defineCommand(program, 'verify', {
    summary: 'check an artifact and its evidence offline',
    description:
      "Checks that files are what the evidence beside them says, and the evidence step by step, from nothing but the project's root key: without a network, unless --online.",
    examples: [
      'quorate verify tool --bundle tool.bundle --project 12D3KooW…',
      'quorate verify tool/bin/app --bundle tool.bundle --project 12D3KooW… --path bin/app --ref v1.2',
      'quorate verify --equivocation evidence.json --project 12D3KooW…',
      'quorate verify --page verify.html',
    ],
  })
    .argument('[path]', 'the artifact: the fetched folder, or one file of it')
    .option('--bundle <file>', 'the evidence, as fetch --bundle-out wrote it')
    .option('--project <id>', "the project's root key")
    .option('--source <url>', 'it must have been built from this repository')
    .option('--ref <ref>', 'at this branch or tag')
    .option('--recipe <file>', 'as this job file says, REPO[@COMMIT]:PATH, in place of its own', recipe)
    .option('--job-file <path>', 'by this copy of its job file: commands, policy and needs')
    .option('--path <path>', 'the file must stand at this path in the artifact')
    .option('--max-age <time>', 'the verdict must be no older: 30d, 12h', secondsOf)
    .option('--online', 'first ask members of the project what was revoked, and remember it')
    .option('--bootstrap <address>', 'with --online: first peer of the network; repeatable', addresses)
    .option('--revocations <file>', 'learn these first, as revoke --out wrote them')
    .option(
      '--equivocation <file>',
      'instead: check evidence that the log tells two stories, and remember it',
    )
    .option('--page <file>', 'instead: write the page that verifies in a browser, as one file')
    .action(act(run));

async function run(context: Context, path: string | undefined, options: Options): Promise<Exit> {
  const { bundle: file, page, project } = options;
  if (page !== undefined) return writePage(context, page);
  if (project === undefined)
    throw new QuorateError('CLI_USAGE', "required option '--project <id>' not specified", {
      hint: `It is the root key of the project: its owner has it.${await projectNearby(context)}`,
    });
  if (options.equivocation !== undefined) return sayEquivocation(context, options.equivocation, project);
  if (path === undefined || file === undefined) {
    const missing = path === undefined ? "argument 'path'" : "option '--bundle <file>'";
    throw new QuorateError('CLI_USAGE', `required ${missing} not specified`, {
      hint: 'Name both: quorate verify <path> --bundle <file> --project <id>',
    });
  }
  return verifyArtifact(context, path, { ...options, bundle: file, project });
}

/** Advice only: a folder that was unpacked may have brought the project that it names. */
async function projectNearby({ cwd }: Context): Promise<string> {
  const here = await projectHere(cwd).catch(() => undefined);
  return here === undefined
    ? ''
    : ` Of the project here, if this folder is your own: --project ${here.project}`;
}

/** Writes the page that verifies in a browser, and says which one it is. */
async function writePage({ cwd, out }: Context, path: string): Promise<Exit> {
  const { verifyPage } = await import('../../http/verify-page/page-file.ts');
  const { sha256Hex } = await import('../../protocol/documents/index.ts');
  const file = await NewFile.open(resolve(cwd, path));
  try {
    const { html } = await verifyPage();
    await file.finish(html, 'Nothing was written.');
    const sha256 = sha256Hex(html);
    out.value({ page: path, bytes: html.length, sha256 });
    out.say(`Wrote ${path}: open it in a browser, with or without a network.`, `  sha256  ${sha256}`);
    return exits.done;
  } finally {
    await file[Symbol.asyncDispose]();
  }
}

async function verifyArtifact(
  context: Context,
  path: string,
  options: Options & { bundle: string; project: string },
): Promise<Exit> {
  const { cwd, out, signal } = context;
  const { publicKeyOf } = await import('../../protocol/documents/index.ts');
  const { answerLine, checkAge, checkContent, isTrusted, pathsOf, refuse, verifyBundle } = await import(
    '../../protocol/trust/index.ts'
  );
  const { joseVerifier } = await import('../../identity/verifier.ts');
  publicKeyOf(options.project);
  const bundle = await readBundle(resolve(cwd, options.bundle));
  const jobFile = options.jobFile === undefined ? undefined : await readCopy(cwd, options.jobFile);
  const board = out.board();
  board.set('files', { text: `reading ${path}` });
  const held = await takeFingerprint(resolve(cwd, path), signal);
  board.end();
  if (options.path !== undefined && !(held instanceof QuorateError) && held.kind === 'tree')
    throw new QuorateError('CLI_USAGE', `--path is for a file of the artifact; ${path} is a folder`, {
      hint: 'Leave it out, or name the file: a folder is compared as a whole.',
    });
  const { project, source, ref, recipe, maxAge } = options;
  const book = await learnBefore(context, options, bundle);
  const expected = { project, revocations: book.revoked, source, ref, recipe };
  let result: Verification = await verifyBundle(bundle, expected, joseVerifier);
  if (result.ok)
    result =
      held instanceof QuorateError
        ? refuse(result, 'files', held)
        : checkContent(
            result,
            held.kind === 'file' && options.path !== undefined ? { ...held, path: options.path } : held,
          );
  if (result.ok && jobFile !== undefined) result = await withJobFile(result, bundle, jobFile);
  const paths =
    result.facts !== null && !(held instanceof QuorateError) && held.kind === 'file'
      ? pathsOf(result.facts, held.sha256)
      : undefined;
  if (result.facts !== null && maxAge !== undefined) {
    result = checkAge(result, { now: Date.now(), maxAgeSeconds: maxAge });
  }
  const revocations = { known: book.size, askedAt: book.askedAt };
  const shown = held instanceof QuorateError ? {} : contentValue(held);
  out.value({ path, revocations, ...shown, paths, ...result });
  sayVerification(out, result);
  sayKnowledge(out, book);
  const trusted = isTrusted(result);
  const { green, red } = out.colours;
  out.say((trusted ? green : red)(answerLine(path, result, paths)));
  return trusted ? exits.done : exits.no;
}

/** The revocations of a project in this home, with those of a file and of members where asked for. @throws {QuorateError} `REVOCATION_…` */
async function learnBefore(
  context: Context,
  { project, online = false, bootstrap, revocations }: Options & { project: string },
  bundle: Bundle,
): Promise<RevocationBook> {
  const { cwd, signal } = context;
  const book = await openBook(context, project);
  if (revocations !== undefined) await learnFile(book, resolve(cwd, revocations));
  if (!online) return book;
  const known = await placesOf(context, { project, bootstrap }, bundle);
  const { askForRevocations } = await import('../../node/artifacts/revocations.ts');
  const artifact = await artifactIn(bundle);
  await askForRevocations({ project, artifact, book, signal, ...known });
  return book;
}

async function learnFile(book: RevocationBook, file: string): Promise<void> {
  const { decodeRevocations } = await import('../../protocol/sessions/revocation-book.ts');
  const text = await readText(file, 'Name the file that revoke --out wrote.');
  try {
    const { refused } = await book.learn(decodeRevocations(text, file));
    // The book keeps revocations that this version cannot read.
    const why = refused.find(({ code }) => code !== 'DOC_NEWER');
    if (why !== undefined) throw why;
  } catch (cause) {
    if (!(cause instanceof QuorateError) || cause.code.startsWith('HOME_')) throw cause;
    throw new QuorateError('REVOCATION_UNREADABLE', `${file} revokes nothing: ${cause.message}`, {
      hint: 'Name the file that revoke --out wrote, of this project.',
      cause,
    });
  }
}

/** Where to ask: as given, as this host knows, or as the charter in the bundle says. */
async function placesOf(
  context: Context,
  given: { project: string; bootstrap: string[] | undefined },
  bundle: Bundle,
) {
  try {
    return { controllers: [], ...(await whereFrom(context, given)) };
  } catch (error) {
    if (codeOf(error) !== 'MEMBERSHIP_NOT_FOUND') throw error;
    const { openCharter } = await import('../../node/membership/credentials.ts');
    const { payload } = await openCharter(bundle.charter, given.project);
    return { bootstrap: payload.bootstrap, controllers: [] };
  }
}

/** The artifact that the bundle says it is about: those who provide it are asked. */
async function artifactIn(bundle: Bundle): Promise<string | null> {
  const { artifactOf, openStatement } = await import('../../protocol/documents/index.ts');
  const { joseVerifier } = await import('../../identity/verifier.ts');
  const verdict = await openStatement('verdict', bundle.verdict, joseVerifier).catch(() => undefined);
  const outcome = verdict?.payload.predicate.quorate_verdict.outcome ?? null;
  return outcome === null ? null : artifactOf(outcome);
}

async function readCopy(cwd: string, given: string) {
  const { readLocalJobFile } = await import('../../member/recipe.ts');
  return readLocalJobFile(localFile(cwd, given, '--job-file'));
}

/** Adds the step that says whether the job is what this copy of its job file says. */
async function withJobFile(
  before: Verification,
  bundle: Bundle,
  { file, sha256 }: Awaited<ReturnType<typeof readCopy>>,
): Promise<Verification> {
  const { goOn } = await import('../../protocol/trust/index.ts');
  const { checkJobFile } = await import('../../member/check-job-file.ts');
  const checked = await checkJobFile(file, bundle).catch((error: unknown) => {
    if (error instanceof QuorateError) return error;
    throw error;
  });
  return goOn(before, 'job file', ({ recipe }) => {
    if (recipe !== null && recipe.sha256 !== sha256)
      throw new QuorateError(
        'JOB_FILE_MISMATCH',
        `the sha256 of the job file is ${sha256}; that of the one that was used is ${recipe.sha256}`,
      );
    if (checked instanceof QuorateError) throw checked;
    return `The job file says the same of ${checked.join(', ')}.`;
  });
}

/** The fingerprint of a path, or the error for entries that no artifact can hold. Throws for a path that is unreadable. */
async function takeFingerprint(path: string, signal: AbortSignal): Promise<Fingerprint | QuorateError> {
  const { fingerprintOf } = await import('../../store/fingerprint.ts');
  try {
    return await fingerprintOf(path, signal);
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    if (error.code === 'STORE_FILE_CHANGED') throw error;
    // The same code as for an unreadable bundle: the path is wrong.
    if (error.code === 'STORE_FILE_UNREADABLE')
      throw new QuorateError('CLI_FILE_UNREADABLE', `cannot read ${path}: ${reasonOf(error)}`, {
        hint: 'Name the folder that fetch wrote, or a file of it, and see that this user may read it.',
        cause: error,
      });
    return error;
  }
}

const reasonOf = ({ cause, message }: QuorateError): string =>
  cause instanceof Error ? cause.message : message;

const contentValue = (held: Fingerprint): object =>
  held.kind === 'tree'
    ? { artifact: held.cid, bytes: held.bytes }
    : { sha256: held.sha256, bytes: held.bytes };

/** Checks evidence that the log of a project tells two stories, offline. What holds is kept in this home, for `fetch` and `verify`. */
async function sayEquivocation(context: Context, file: string, project: string): Promise<Exit> {
  const { cwd, out } = context;
  const { publicKeyOf } = await import('../../protocol/documents/index.ts');
  const { checkEquivocation } = await import('../../protocol/trust/index.ts');
  const { joseVerifier } = await import('../../identity/verifier.ts');
  publicKeyOf(project);
  const text = await readText(
    resolve(cwd, file),
    'Name the file that a worker wrote: revocations/*-equivocation-1.json in its home.',
  );
  try {
    const book = await openBook(context, project, 'the log');
    const { signers, ...proves } = await checkEquivocation(text, project, joseVerifier, book.ended);
    await book.learn({ charters: [], revocations: [], equivocations: [text] });
    out.value({ ok: true, code: null, ...proves });
    out.say(
      out.colours.red('The log of this project tells two stories.'),
      `  ${escapeLine(proves.says, 2000)}.`,
      proves.lines === 2
        ? '  Nothing under that log key counts, until the root key names another one in the charter.'
        : '  What has no line of a trusted worker does not count, until the root key names another log key in the charter.',
    );
    return exits.done;
  } catch (error) {
    if (!(error instanceof QuorateError) || error.code.startsWith('HOME_')) throw error;
    out.value({ ok: false, code: error.code, says: error.message });
    out.say(`This proves nothing against the log: ${escapeLine(error.message, 1000)} [${error.code}].`);
    return exits.no;
  }
}
