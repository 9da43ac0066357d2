import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Option } from 'commander';
import type { Client } from '../../member/client.ts';
import { tellAlarms } from '../../member/commands/alarms.ts';
import { controllerAdvice, membershipFor, withAdvice } from '../../member/commands/project-client.ts';
import type { Waiting } from '../../node/patience.ts';
import { accountOf, hasRefused } from '../../protocol/account/index.ts';
import { codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { recipeText } from '../../protocol/base/recipe-name.ts';
import { skipText } from '../../protocol/pipeline/plan.ts';
import { notCosigned } from '../../protocol/trust/not-cosigned.ts';
import { type Context, type Define, defineCommand, whichProject } from '../../terminal/context.ts';
import { asQuorateError } from '../../terminal/errors.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { counted, shortRun } from '../../terminal/format.ts';
import type { Board } from '../../terminal/output.ts';
import { secondsOf } from '../../terminal/values.ts';
import { bringDependencies } from './bring-dependencies.ts';
import { sayFailure } from './failure-report.ts';
import { LogLines } from './logs.ts';
import { FollowedRun, idleMs, runEvent, sayStep, type Until, WaitingNote } from './next-steps.ts';
import { PipelineView } from './pipeline-view.ts';
import { ProgressView } from './progress.ts';
import { type PublishedJob, publishAll, timedOut } from './publish.ts';
import { recipeOf } from './recipe-of.ts';
import { sayDispute } from './run-comparison.ts';
import { commandLimits, type Proof, proofOf, RunProofs, type ToldRun } from './run-evidence.ts';

interface Options {
  url?: string;
  ref?: string;
  base?: string;
  job?: string;
  file?: string;
  until: Until;
  timeout?: number;
  log?: boolean;
  rebuild?: boolean;
  failed?: boolean;
  private?: boolean;
  subject: boolean;
  project?: string;
}

/** Wait after the verdict for the rest of the logs. */
const restMsMax = 2_000;

export const run: Define = (program, act) =>
  defineCommand(program, 'run', {
    summary: 'have a commit built',
    description:
      'Publishes the jobs of a repository as signed requests and follows them to their verdicts. Workers fetch the source from its server, so push first. Ctrl-C stops following; the job goes on.',
    examples: [
      'quorate run',
      'quorate run https://git.example.org/tool.git --ref v1.2',
      'quorate run --failed',
      'quorate run https://git.example.org/tool.git --ref v1.2 --file tool.yaml',
      'quorate run --ref v1.2 --rebuild',
    ],
  })
    .argument('[repo]', 'a folder or a git URL (default: the repository here)')
    .option('--url <url>', "where workers fetch it from (default: the repository's remote)")
    .option('--ref <ref>', 'branch, tag or commit (default: the branch that is checked out)')
    .option('--base <ref>', 'what "changed" compares with, written as a ref (default: all counts as changed)')
    .option(
      '--job <name>',
      'this job of quorate.yaml and those it needs (default: all; quorate plan lists them)',
    )
    .option(
      '--file <file>',
      'a job file in place of quorate.yaml, whose commit is named in the request: a path in a git repository, or REPO[@COMMIT]:PATH',
    )
    .option('--rebuild', 'build again what was built before, and compare with it')
    .option('--failed', 'only what failed or was lost of this commit, and what rests on it')
    .addOption(
      new Option('--until <level>', 'the level to wait for')
        .choices(['agreed', 'trusted'])
        .default('trusted'),
    )
    .option('--timeout <time>', 'give up following after this long: 90s, 20m', secondsOf)
    .option('--log', 'print what the builds write, as they write it')
    .option('--no-subject', "leave the commit's subject and author out of the requests")
    .option('--private', 'dependencies may be published that registries give to authorised clients only')
    .option(...whichProject)
    .action(act(start));

async function start(context: Context, given: string | undefined, options: Options): Promise<Exit> {
  const { out, signal } = context;
  if (options.failed === true && options.rebuild === true)
    throw new QuorateError(
      'CLI_USAGE',
      '--failed keeps what is trusted, and --rebuild builds all of it again',
      { hint: 'Give one of them.' },
    );
  const member = await membershipFor(context, options.project);
  const { home, membership } = member;
  const source = await sourceOf(context.cwd, given, options);
  const recipe = options.file === undefined ? undefined : await recipeOf(context.cwd, options.file);
  for (const note of source.notes) out.note(out.colours.yellow(note));
  let followed: string[] = [];
  let isLost = false;

  const limit =
    options.timeout === undefined
      ? signal
      : AbortSignal.any([signal, AbortSignal.timeout(options.timeout * 1000)]);
  try {
    return await publish();
  } catch (error) {
    if (codeOf(error) === 'CLI_TIMEOUT') throw error;
    if (limit.aborted && !signal.aborted) throw timedOut(options.timeout ?? 0, followed, error);
    throw await withAdvice(context, membership.project, error, home);
  }

  function tell(says: string, reason: string): void {
    // Each stream tells of the connection that all of them share.
    if ((reason === 'lost' && isLost) || (reason === 'found' && !isLost)) return;
    if (reason === 'lost' || reason === 'found') isLost = reason === 'lost';
    out.note(says);
    if (reason !== 'lost') return;
    // Its errors are those of the next attempt as well.
    void controllerAdvice(context, membership.project, home).then(
      (advice) => advice && out.note(advice),
      () => {},
    );
  }

  async function publish(): Promise<Exit> {
    const { prepare } = await import('../../member/submit.ts');
    const { openClient } = await import('../../member/client.ts');
    out.say(
      out.colours.dim(`Reading ${escapeLine(source.repo.url, 200)} at ${escapeLine(source.repo.ref, 80)}`),
    );
    const { base, job: jobName, subject: words } = options;
    const prepared = await prepare({ ...source.repo, base, recipe, jobName, words, signal: limit });
    if (prepared.recipe !== undefined && prepared.jobs.length > 1)
      out.say(out.colours.dim(`by the job file ${escapeLine(recipeText(prepared.recipe), 500)}`));
    for (const skipped of prepared.skipped) {
      out.value({ event: 'skipped', ...skipped });
      out.say(out.colours.yellow(`skipped: ${skipped.job}: ${escapeLine(skipText(skipped.reason), 500)}`));
    }
    if (prepared.jobs.length === 0) return exits.done;
    if (options.log === true && prepared.jobs.length > 1)
      throw new QuorateError(
        'CLI_USAGE',
        `--log prints what one job writes; these are ${prepared.jobs.length}`,
        { hint: 'Without --log, quorate logs <run> --follow prints those of a run.' },
      );
    if (source.here !== undefined && source.here !== prepared.commit) {
      out.note(
        out.colours.yellow(
          `The server has ${prepared.commit.slice(0, 12)} there, and ${source.here.slice(0, 12)} is checked out here: what the server has is built. Push first to have yours built.`,
        ),
      );
    }
    const client = await openClient({ ...member, signal: limit, tell });
    try {
      const { url } = source.repo;
      const { keptRuns } = await import('./kept-runs.ts');
      const { rebuild = false } = options;
      const at = { ...context, home: home.dir };
      const isProven = async (told: ToldRun, name: string): Promise<boolean> => {
        const { why } = (await proofOf(at, client, [told], limit, 0)).get(told) ?? {};
        if (why !== undefined)
          out.note(
            out.colours.yellow(
              `${name} is published again, as its last run is not proven: ${escapeLine(why.message, 1000)} [${why.code}]`,
            ),
          );
        return why === undefined;
      };
      const kept = options.failed === true ? await keptRuns(client, prepared, url, isProven) : undefined;
      const { of: dependenciesOf, close } = await bringDependencies(context, client, prepared, {
        kept: (job) => kept?.has(job) === true,
        allowPrivate: options.private === true,
        signal: limit,
      });
      const more = { kept, rebuild, dependenciesOf };
      const published = await publishAll(context, client, prepared, url, limit, more).finally(close);
      followed = published.map(({ run }) => run);
      return await follow(at, client, published, options, { signal: limit, tell });
    } finally {
      if (membership.role === 'publisher') await tellAlarms(context, home, client, followed);
      await client.close();
    }
  }
}

/** Jobs that are followed at once, each on a stream of its own; those that come after others are told from their history. */
const followedMax = 16;

interface Followed {
  job: PublishedJob;
  of: FollowedRun;
  /** Events that its evidence showed since its last verdict, and that were told, as JSON. */
  shown: Set<string>;
}

/** Follows runs, one with all its events and several with a row for each. Done when all of them have the level. `context`: with the home of the membership. */
export async function follow(
  context: Context,
  client: Client,
  published: readonly PublishedJob[],
  { until, log = false, rebuild = false, timeout = 0 }: Options,
  { signal: limit, tell }: Required<Waiting>,
): Promise<Exit> {
  const { out, signal } = context;
  const board = out.board();
  const [only] = published.length === 1 ? published : [];
  const story = only && new ProgressView(board, out.colours);
  const rows = only === undefined ? new PipelineView(board, out.colours, published) : undefined;
  const logs = only && log ? printLogs(out, board, client, only.run, limit) : undefined;
  const followed: Followed[] = [];
  const named = ({ name, run }: PublishedJob) => (only === undefined ? { name, run } : {});
  const stop = new AbortController();
  const proofs = new RunProofs(context, client, {
    signal: AbortSignal.any([limit, stop.signal]),
    tell,
    onProof: ({ job: { run } }, { why, shows }) => {
      const one = followed.find(({ of }) => of.run === run);
      if (one === undefined || why !== undefined) return;
      const { job, of, shown } = one;
      of.takeShown(shows);
      for (const progress of shows) {
        const key = JSON.stringify(progress);
        if (shown.has(key)) continue;
        shown.add(key);
        out.value({ ...runEvent(Date.now(), progress, of.facts, true), ...named(job) });
        story?.show(Date.now(), progress, true);
      }
      rows?.verified(job.name, of.facts);
    },
  });
  const queue = [...published];
  const followOne = async (job: PublishedJob): Promise<void> => {
    const { name, run } = job;
    const of = new FollowedRun(run);
    const shown = new Set<string>();
    followed.push({ job, of, shown });
    const waiting = new WaitingNote(context, client, only === undefined ? { run, name } : { run });
    waiting.in(idleMs);
    try {
      for await (const { at, progress } of client.follow(run, limit)) {
        const { kind } = progress;
        of.take(progress);
        const verdict = of.provable;
        const isCompared = kind === 'repeated' && progress.same && rebuild;
        if (kind === 'verdict') shown.clear();
        proofs.take(run, verdict && { job, verdict, repeated: rebuild ? of.repeated : undefined });
        out.value({ ...runEvent(at, progress, of.facts), ...named(job) });
        rows?.show(name, at, progress, of.facts, proofs.isProven(run));
        // A person reads it once that is proven.
        if (verdict === undefined || !(kind === 'verdict' || isCompared)) story?.show(at, progress);
        waiting.after(progress, of.verdict !== undefined);
        if (kind === 'verdict' && of.isOver(until, rebuild)) return;
      }
    } finally {
      waiting.stop();
    }
  };
  const next = async (): Promise<void> => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) await followOne(job);
  };
  let [isTold, isOver] = [false, false];
  try {
    await Promise.all(Array.from({ length: followedMax }, next));
    isTold = true;
    if (followed.some(({ of }) => of.verdict?.level !== 'agreed')) await logs?.rest();
    await proofs.settled();
    isOver = true;
  } catch (error) {
    if (isTold && limit.aborted && !signal.aborted) throw timedOut(timeout, published, error, 'evidence');
    if (!signal.aborted) throw error;
  } finally {
    stop.abort();
    logs?.stop();
    board.end();
  }
  if (!isOver) {
    const jobs =
      only === undefined ? 'jobs go on. quorate jobs lists them.' : 'job goes on. Again: quorate show ';
    out.note(`No longer following; the ${jobs}${only === undefined ? '' : shortRun(only.run)}`);
    return exits.interrupted;
  }
  const isReached = ({ of }: Followed): boolean => of.reached(until) !== undefined && proofs.isProven(of.run);
  const closing = AbortSignal.timeout(commandLimits.closingMsMax);
  for (const one of followed) {
    const { job, of } = one;
    const why = proofs.of(of.run)?.why;
    if (of.isFailed) await sayFailure(out, client, of.run, of.failed, AbortSignal.any([limit, closing]));
    if (why !== undefined) sayUnproven(out, of, why, only === undefined ? job.name : undefined);
    else if (isReached(one) && rebuild && of.repeated === undefined)
      sayNotCompared(out, only === undefined ? `${job.name}: ` : '');
  }
  const lacking = new Set(followed.flatMap((one) => (isReached(one) ? [] : [one.job.name])));
  const needed = new Set(published.flatMap(({ needs }) => needs.map(({ name }) => name)));
  let alarm: Exit | undefined;
  for (const { job, of } of followed) {
    const account = accountOf(of.facts);
    alarm = (await sayAlarm(context, client, of, closing, proofs.of(of.run))) ?? alarm;
    // An artifact that other jobs read is not what the user came for.
    if (!account.over || (account.state === 'trusted' && needed.has(job.name))) continue;
    if (of.reached(until) !== undefined && lacking.has(job.name)) continue;
    // It falls with that one, whose steps are told.
    if (account.state === 'cancelled' && job.needs.some(({ name }) => lacking.has(name))) continue;
    for (const step of account.next) sayStep(out, step, only === undefined ? `${job.name}: ` : '');
  }
  if (
    only === undefined &&
    followed.some(({ of: { facts } }) => facts.level !== null && facts.cosigned === false)
  )
    out.say(out.colours.yellow(`* ${notCosigned}`));
  if (only === undefined && lacking.size > 0) {
    const what = `${lacking.size} of ${counted(followed.length, 'job')} not ${until}`;
    out.say(`${what}. To publish what came to nothing again: quorate run --failed`);
  }
  return lacking.size === 0 && !followed.some(({ of }) => of.differs) ? (alarm ?? exits.done) : exits.no;
}

function sayUnproven(
  out: Context['out'],
  { run, verdict }: FollowedRun,
  { code, message }: QuorateError,
  name?: string,
): void {
  const says = escapeLine(message, 1000);
  out.value({ event: 'unproven', name, run, code, says });
  const head = name === undefined ? '' : `${name}: `;
  const level = verdict?.level;
  out.note(out.colours.red(`${head}the controller says ${level}, and does not prove it: ${says} [${code}]`));
}

/** Of --rebuild: nothing proves that there is no earlier run. */
const sayNotCompared = (out: Context['out'], head = ''): void =>
  out.note(`${head}compared with nothing: the controller names no earlier run of the same job`);

/**
 * Tells the alarm of a run that was followed, as a fact where its evidence shows it, and compares its results without diffoscope, which may take minutes.
 * @returns the exit code for a contradiction, or a trusted worker's refusal, of a run that was trusted in the end
 */
export async function sayAlarm(
  context: Context,
  client: Pick<Client, 'logs'>,
  {
    run,
    facts,
    compared,
    isContradicted,
  }: Pick<FollowedRun, 'run' | 'facts' | 'compared' | 'isContradicted'>,
  limit: AbortSignal,
  proof?: Proof,
): Promise<Exit | undefined> {
  const { out } = context;
  const account = accountOf(facts);
  const refused = hasRefused(facts);
  if (!isContradicted && !refused && compared === undefined && !account.alarm) return undefined;
  const isShown = proof?.shows.some((one) =>
    isContradicted ? one.kind === 'contradicted' : one.kind === 'repeated' && !one.same && !refused,
  );
  const says = isContradicted
    ? 'the trusted worker contradicts what operators had agreed on. Several of them, or the trusted worker, are wrong'
    : account.state === 'disputed' || account.state === 'differs' || refused
      ? escapeLine(account.reason, 300)
      : 'builders came to different results';
  out.note(out.colours.red(`ALARM: ${isShown ? '' : 'the controller says that '}${says}.`));
  if (compared !== undefined && !out.json) {
    const signal = AbortSignal.any([context.signal, limit]);
    const options = { diffoscope: false, tier: 'gvisor' } as const;
    await sayDispute({ ...context, signal }, client, run, compared, options).catch((error: unknown) => {
      context.signal.throwIfAborted();
      out.note(`The comparison ended early: ${escapeLine(messageOf(error), 300)}`);
    });
  }
  if (compared !== undefined) out.note(`With diffoscope, and again: quorate diff ${shortRun(run)}`);
  return isContradicted || refused ? exits.lookAt : undefined;
}

/** Prints logs. A failure is noted and does not change the exit code. */
function printLogs(
  out: Context['out'],
  board: Board,
  client: Client,
  run: string,
  limit: AbortSignal,
): { rest(): Promise<void>; stop(): void } {
  const stop = new AbortController();
  const signal = AbortSignal.any([limit, stop.signal]);
  const lines = new LogLines(out.colours.dim);
  const print = async () => {
    for await (const piece of client.logs(run, { follow: true, signal })) {
      out.value({ event: 'output', ...piece });
      for (const line of lines.push(piece)) board.print(line);
    }
    for (const line of lines.end()) board.print(line);
  };
  const printing = print().catch((error: unknown) => {
    if (!signal.aborted) out.note(`The logs ended early: ${escapeLine(asQuorateError(error).message, 300)}`);
  });
  return {
    rest: () => Promise.race([printing, sleep(restMsMax, undefined, { ref: false })]),
    stop: () => stop.abort(),
  };
}

/** A word that is neither a URL nor a path, and probably the name of a job. */
const plainWord = /^[\w-][\w.-]*$/;

/** The source that `quorate run` builds: a URL, or remote and branch of the repository here. @throws {QuorateError} `CLI_USAGE`, `SOURCE_…` */
export async function sourceOf(
  cwd: string,
  given: string | undefined,
  options: { url?: string; ref?: string },
) {
  const folder = resolve(cwd, given ?? '.');
  if (given !== undefined && !existsSync(folder)) {
    if (plainWord.test(given))
      throw new QuorateError('CLI_USAGE', `"${given}" is neither a folder nor a git URL`, {
        hint: `If it is a job of quorate.yaml: quorate run --job ${given}`,
      });
    return { repo: { url: given, ref: options.ref ?? 'HEAD' }, notes: [], here: undefined };
  }
  const { localRepo } = await import('../../source/index.ts');
  const { root, remoteUrl, branch, commit, changes } = await localRepo(folder);
  const { servedSource } = await import('../../owner/served-source.ts');
  const served = options.url === undefined ? await servedSource(root) : undefined;
  const url = options.url ?? served?.url ?? remoteUrl;
  if (url === undefined)
    throw new QuorateError('CLI_USAGE', `${folder} has no remote, and workers fetch source from a server`, {
      hint: 'Push it somewhere and give its address: --url <url>. To try it out without a server: quorate up',
    });
  const { ref } = options;
  const notes = changes !== '' && ref === undefined ? [`Not committed, and so not built: ${changes}.`] : [];
  // The commit here, where its branch is to be built: the server may have another.
  const here = ref === undefined && options.url === undefined ? commit : undefined;
  return { repo: { url, ref: ref ?? branch ?? commit }, notes, here };
}
