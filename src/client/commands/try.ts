import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { Tier } from '../../../sandbox/types.ts';
import { ProbesShown } from '../../execution/probe-progress.ts';
import { findProject } from '../../owner/project.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine, LineEscaper } from '../../protocol/base/escape.ts';
import { limits } from '../../protocol/base/limits.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { bytes, duration } from '../../terminal/format.ts';
import { LogHints } from '../../terminal/log-hints.ts';
import { checkNewFolder } from '../../terminal/new-file.ts';
import type { Output } from '../../terminal/output.ts';
import { oneTier } from '../../terminal/values.ts';
import type { ProvidedInput, WantedInput } from '../trial/inputs.ts';
import type { TrialSource } from '../trial/source.ts';
import type { Trial, TrialOptions, TrialResult } from '../trial/trial.ts';
import type { ConditionResult } from '../trial/vary.ts';
import { DependenciesShown } from './bring-dependencies.ts';
import { peersLevel } from './job-list.ts';
import { fileGiven } from './recipe-of.ts';
import { storesHere, trialProject } from './trial-project.ts';

/** Limits and addresses that the owner of this host lends to builds. */
type LentBy = (home: string) => Promise<Pick<TrialOptions, 'imageBytes' | 'privateHosts'>>;

interface Options {
  job?: string;
  file?: string;
  commit?: boolean;
  ref?: string;
  output?: string;
  vary?: boolean;
  tier?: Tier;
  input?: WantedInput[];
  project?: string;
  shell?: boolean;
}

/** `name=CID`, `name=folder`, or a CID, whose name is itself; repeatable. */
function inputs(text: string, before: WantedInput[] = []): WantedInput[] {
  const [, name, what = ''] = /^(?:([A-Za-z0-9][A-Za-z0-9._-]{0,63})=)?(.+)$/.exec(text) ?? [];
  const isCid = /^baf[a-z2-7]{20,110}$/.test(what);
  if (!isCid && (name === undefined || what === ''))
    throw new InvalidArgumentError('Give a name, and a CID or a folder: lib=bafybei…, lib=../lib/out');
  const input = isCid ? { name: name ?? what, cid: what } : { name: name ?? what, folder: what };
  if (before.some((one) => one.name === input.name))
    throw new InvalidArgumentError(`The name ${input.name} is there twice.`);
  return [...before, input];
}

/** Files listed in the text; --json lists all. */
const filesShownMax = 100;

export const tryJob =
  (lentBy: LentBy): Define =>
  (program, act) => {
    defineCommand(program, 'try', {
      summary: 'run a job here, alone',
      description:
        'Builds a job of quorate.yaml on this machine as a worker would, in the sandbox and under its limits, and prints what came out. No controller or worker takes part, and nothing is signed. Takes the files as they are in the working folder, those that git ignores left out.',
      examples: [
        'quorate try',
        'quorate try --ref v1.2 --job docs -o ../out',
        'quorate try --vary',
        'quorate try https://git.example.org/tool.git --ref v1.2 --file tool.yaml',
        'quorate try --job build -o ../out && quorate try --job test --input build=../out',
        'quorate try --input lib=bafybei…',
      ],
    })
      .argument('[repo]', 'a folder in a git repository, or a git URL (default: here)')
      .option('--job <name>', 'which job of quorate.yaml, where it has several')
      .option('--file <file>', 'a job file in place of quorate.yaml: a path, or REPO[@COMMIT]:PATH')
      .option('--commit', 'what is committed instead, as workers get it')
      .option('--ref <ref>', 'the same of a branch, a tag or a commit')
      .option('-o, --output <folder>', 'keep the outputs there: a new or empty folder')
      .option('--tier <tier>', 'which sandbox (default: namespace, the source being your own)', oneTier)
      .option(
        '--input <name=what>',
        'an artifact (its CID, whatever its level) or a folder for the build, at /build/in/<name>; repeatable',
        inputs,
      )
      .option('--project <id>', 'whose artifacts and charter, where this machine knows several')
      .option('--shell', 'instead of the steps a shell for you, in the sandbox, at this terminal')
      .option('--vary', 'build it again under other conditions; say what changes the outputs')
      .action(act((...given: [Context, string | undefined, Options]) => run(...given, lentBy)));
  };

async function run(
  context: Context,
  given: string | undefined,
  options: Options,
  lentBy: LentBy,
): Promise<Exit> {
  const { cwd, out, home, signal, env } = context;
  const { folder, url } = await whatToBuild(cwd, given);
  const file = options.file === undefined ? undefined : fileGiven(cwd, options.file);
  const dest = options.output === undefined ? undefined : resolve(cwd, options.output);
  if (dest !== undefined) await checkNewFolder(dest);
  if (options.shell === true && options.vary === true)
    throw new QuorateError('CLI_USAGE', '--vary cannot repeat an interactive shell', {
      hint: 'Give --shell or --vary.',
    });
  const shell = options.shell === true ? await import('./shell.ts') : undefined;
  shell?.checkTier(options.tier);
  shell?.checkTerminal(out.json);
  const ref = options.ref ?? (options.commit === true || url !== undefined ? 'HEAD' : undefined);

  const { checkRan, withTrial } = await import('../trial/trial.ts');
  const { imageBytes, privateHosts } = await lentBy(home);
  const dependencies = new DependenciesShown(out);
  const probes = new ProbesShown(out);
  const { job: jobName, tier } = options;
  const trial = {
    folder,
    url,
    ref,
    file,
    jobName,
    stateDir: home,
    signal,
    tier,
    imageBytes,
    privateHosts,
    inputs: options.input?.map((input) => inFolder(cwd, input)),
    stores: await storesHere(context, folder),
    project: () => trialProject(context, folder, options.project),
    onInput: (input: ProvidedInput) => sayInput(out, input),
    dependencies: { env, onProgress: dependencies.progress },
    onProbe: probes.step,
  };
  return withTrial(trial, async (opened) => {
    probes.end();
    const { source, job } = opened;
    saySource(out, source, job.name, ref);
    dependencies.end();
    if (shell !== undefined) out.say('A shell in the sandbox. "exit" leaves it; Ctrl-] three times ends it.');
    const tried = shell === undefined ? await built(out, opened) : await shell.shellIn(opened, context);
    if (shell !== undefined && tried.outcome.kind === 'aborted' && tried.outcome.reason === 'operator') {
      out.say('Ended. Nothing of it was kept.');
      return exits.no;
    }
    checkRan(tried);
    const tree = sayOutcome(out, tried, job.kind === 'test');
    if (tree !== null && dest !== undefined) {
      await opened.write(tree, dest);
      out.say(`Written to ${dest}`);
    }
    if (tree === null || tried.outcome.kind !== 'exit' || tried.outcome.code !== 0) return exits.no;
    if (options.vary !== true) return exits.done;
    const { vary } = await import('../trial/vary.ts');
    return sayVaried(out, vary(opened, tried, signal));
  }).finally(() => {
    dependencies.end();
    probes.end();
  });
}

/** A folder; of a URL the folder whose project, stores and images are used. @throws {QuorateError} `CLI_USAGE` */
async function whatToBuild(cwd: string, given = '.'): Promise<{ folder: string; url?: string }> {
  const folder = resolve(cwd, given);
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return { folder };
  if (given.includes(':') && !existsSync(folder)) {
    const own = await findProject(cwd).catch(() => undefined);
    return { folder: own ?? cwd, url: given };
  }
  throw new QuorateError('CLI_USAGE', `${folder} is not a folder`, {
    hint: 'Name a folder in a git repository, or give a URL such as https://host/project.git.',
  });
}

async function built(out: Output, trial: Trial): Promise<TrialResult> {
  const log = new LocalLog(out);
  const tried = await trial.build((chunk) => log.write(chunk));
  log.end();
  const { hint } = log.hints;
  if (hint !== undefined && tried.outcome.kind === 'exit' && tried.outcome.code !== 0)
    out.note(out.colours.yellow(hint));
  return tried;
}

function saySource(
  out: Output,
  { root, tree, commit, changes, file }: TrialSource,
  job: string,
  ref?: string,
): void {
  const short = commit?.slice(0, 12);
  const what = ref === undefined ? 'the files as they are' : `commit ${short}`;
  out.say(out.colours.dim(escapeLine(`Building ${job} of ${root}: ${what}`)));
  if (file !== undefined) out.say(out.colours.dim(escapeLine(`by the job file ${file}`)));
  const dirty = commit === undefined || changes !== '';
  out.value({ event: 'source', job, root, tree, commit: commit ?? null, dirty, file: file ?? null });
  const differs =
    commit === undefined
      ? 'Nothing is committed here yet: volunteers build what is committed.'
      : `Not committed: ${changes}. Volunteers build what is committed; to try that: quorate try --commit`;
  if (dirty) out.note(out.colours.yellow(differs));
}

function inFolder(cwd: string, input: WantedInput): WantedInput {
  if (!('folder' in input)) return input;
  const folder = resolve(cwd, input.folder);
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return { ...input, folder };
  throw new QuorateError('CLI_USAGE', `--input ${input.name}: ${folder} is not a folder`, {
    hint: 'Give the CID of an artifact, or a folder with its files: quorate try --output makes one.',
  });
}

/** Prints an input and its level. Its bytes are verified against the CID. */
function sayInput(out: Output, { name, cid, from, level }: ProvidedInput): void {
  out.value({ event: 'input', name, cid, from, level });
  const worth = {
    folder: 'from a folder of this machine',
    store: 'from this machine; its level was not verified',
    mesh: peersLevel(level),
  }[from];
  const line = `/build/in/${name}: ${cid}, ${worth}`;
  out.say(level === 'trusted' ? line : out.colours.yellow(`${line}. Only the sandbox uses it.`));
}

/** Prints the outcome. Returns the tree that was put out: an artifact, or reports of a test, which it may leave where it fails too. */
function sayOutcome(out: Output, { outcome, built, ms, network }: TrialResult, test: boolean): string | null {
  if (network !== undefined) out.value({ event: 'network', ...network });
  const { green, red, bold } = out.colours;
  if (outcome.kind === 'aborted') {
    out.value({ event: 'built', ...outcome, ms: Math.round(ms), artifact: null, files: [] });
    out.say(red(`stopped after ${duration(ms)}: ${outcome.reason}: ${escapeLine(outcome.detail)}`));
    return null;
  }
  const { code, artifact: tree } = outcome;
  const files = tree === null ? [] : (built?.files ?? []);
  const made = test ? { artifact: null, reports: tree } : { artifact: tree };
  out.value({ event: 'built', kind: 'exit', code, ms: Math.round(ms), ...made, files });
  const failed = red(`exit ${code} after ${duration(ms)}: the ${test ? 'test' : 'build'} failed`);
  out.say(code === 0 && tree !== null ? `exit ${code} after ${duration(ms)}` : failed);
  if (tree === null) return null;
  out.say(test ? `reports ${tree}, no artifact` : `artifact ${bold(green(tree))}`);
  const shown = files.slice(0, filesShownMax).map(({ path, size }) => [escapeLine(path), bytes(size)]);
  out.table(shown, '  ');
  if (files.length > filesShownMax) out.say(`  and ${files.length - filesShownMax} more`);
  return tree;
}

/** Files listed per line; --json lists all. */
const filesPerLineMax = 5;

/** Prints a line for each condition, and the conclusion. Returns the exit code. */
async function sayVaried(out: Output, results: AsyncIterable<ConditionResult>): Promise<Exit> {
  const { red, green, dim } = out.colours;
  const varying: ConditionResult[] = [];
  out.say('', 'Again, with one thing different each time:');
  for await (const result of results) {
    const { condition, differences, failed } = result;
    const { name, says, pinned } = condition;
    const differs = differences.length > 0 || failed !== undefined;
    if (differs && !varying.some((one) => one.condition.name === name)) varying.push(result);
    const files = differences.map(({ path, change }) => ({ path, change }));
    out.value({ event: 'varied', condition: name, pinned, differs, failed: failed ?? null, files });
    const head = name.padEnd(10);
    if (differs) out.say(`${red('differs')} ${head} ${says}: ${inWhat(result)}`);
    else out.say(`${green('same   ')} ${head} ${dim(says)}`);
  }
  const all = varying.map(({ condition }) => condition);
  out.value({ event: 'vary', differs: all.map(({ name }) => name) });
  const names = (isPinned: boolean) =>
    all.flatMap(({ name, pinned }) => (pinned === isPinned ? [name] : [])).join(', ');
  const [open, pinned] = [names(false), names(true)];
  out.say('', ...(all.length === 0 ? [green('Nothing of this changes the outputs.')] : []));
  if (open !== '') out.say(red(`Workers can differ in: ${open}. They will not agree.`));
  if (pinned !== '')
    out.say(`The same on every worker, not elsewhere: ${pinned}. They can agree all the same.`);
  return all.length === 0 ? exits.done : exits.no;
}

function inWhat({ differences, failed }: ConditionResult): string {
  if (failed !== undefined) return escapeLine(`the build fails (${failed})`, 400);
  const shown = differences.slice(0, filesPerLineMax).map(({ path, change }) => {
    const name = escapeLine(path, 200);
    return change === 'changed' ? name : `${name} (${change})`;
  });
  const more = differences.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join(', ');
}

/** Output of a build on this host, line by line: control characters escaped, truncated where a worker would truncate it. */
class LocalLog {
  readonly #out: Output;
  readonly #decoder = new TextDecoder();
  readonly #lines = new LineEscaper();
  readonly hints = new LogHints();
  #bytes = 0;

  constructor(out: Output) {
    this.#out = out;
  }

  write(chunk: Uint8Array): void {
    if (this.#bytes >= limits.logBytesMax) return;
    const kept = chunk.subarray(0, limits.logBytesMax - this.#bytes);
    this.#bytes += kept.length;
    this.#say(this.#lines.push(this.#decoder.decode(kept, { stream: true })));
    if (this.#bytes < limits.logBytesMax) return;
    this.end();
    this.#say(['[quorate: the log reached its limit; the rest is left out]']);
  }

  end(): void {
    this.#say([...this.#lines.push(this.#decoder.decode()), ...this.#lines.end()]);
  }

  #say(lines: string[]): void {
    if (lines.length === 0) return;
    this.#out.print(...lines);
    for (const line of lines) this.hints.push(line);
    for (const line of lines) this.#out.value({ event: 'output', line });
  }
}
