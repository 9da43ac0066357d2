import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { membershipFor } from '../../member/commands/project-client.ts';
import type { NodePorts } from '../../node/kernel/open-node.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { type Act, type Context, type Define, defineCommand, whichProject } from '../../terminal/context.ts';
import { addMonitorOption, type DaemonOptions, daemonLog } from '../../terminal/daemon-options.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { shortRun, when } from '../../terminal/format.ts';
import type { Output } from '../../terminal/output.ts';
import { runNode } from '../../terminal/run-node.ts';
import type { WatchView } from '../machine/view.ts';
import type { WatchRequest } from '../node/control.ts';
import type { WatchNotice } from '../sessions/ports.ts';

/** Prints what a watcher does: a line for what people want to know, a JSON value for everything. */
class WatchPrinter {
  readonly #out: Output;
  /** The failure that was printed last: while it goes on it is printed once. */
  #failing = '';

  constructor(out: Output) {
    this.#out = out;
  }

  print(notice: WatchNotice): void {
    const { kind, ...rest } = notice;
    // Settings are in the file, and every ref of a first look would be a page.
    if (kind !== 'configured' && !(notice.kind === 'refs' && notice.first))
      this.#out.value({ event: kind, ...rest });
    if (notice.kind === 'look-failed') {
      const says = `${notice.what}: ${notice.code}: ${escapeLine(notice.message, 300)}`;
      if (says !== this.#failing) this.#out.note(this.#out.colours.yellow(`${says}. It is tried again.`));
      this.#failing = says;
      return;
    }
    if (notice.kind === 'looked') this.#failing = '';
    const line = lineOf(notice);
    if (line !== undefined) this.#out.say(line);
  }
}

const commitOf = (id: string): string => {
  const [ref = '', commit = ''] = id.split('@');
  return `${escapeLine(ref, 120)} at ${commit.slice(0, 12)}`;
};

function lineOf(notice: WatchNotice): string | undefined {
  switch (notice.kind) {
    case 'refs':
      if (notice.first)
        return `${notice.changed.length} branches and tags are there; what is pushed from now on is published`;
      return notice.changed
        .map(
          ({ ref, commit }) =>
            `${escapeLine(ref, 120)} ${commit === null ? 'is gone' : `at ${commit.slice(0, 12)}`}`,
        )
        .join('\n');
    case 'pull':
      return `pull request ${notice.seen.pull} at ${notice.seen.commit.slice(0, 12)}, by ${escapeLine(notice.seen.author, 60)}`;
    case 'pull-closed':
      return `pull request ${notice.pull} is closed`;
    case 'decided':
      return `pull request ${notice.pull} at ${notice.commit.slice(0, 12)}: ${notice.verdict} by ${escapeLine(notice.by, 60)}`;
    case 'again':
      return `${commitOf(notice.id)} is published again by ${escapeLine(notice.by, 60)}`;
    case 'published':
      return `published ${commitOf(notice.id)}: ${notice.runs.map(({ name, run }) => `${escapeLine(name, 80)} ${shortRun(run)}`).join(', ')}`;
    case 'unaffected':
      return `not published ${commitOf(notice.id)}: ${escapeLine(notice.says, 300)}`;
    case 'refused':
      return `not published ${commitOf(notice.id)}: ${notice.code}: ${escapeLine(notice.message, 300)}${notice.again ? '. It is tried again.' : ''}`;
    case 'cancelled':
      return `cancelled ${commitOf(notice.id)}`;
    case 'status-set': {
      const [commit = '', ...context] = notice.key.split(' ');
      return `${commit.slice(0, 12)} ${escapeLine(context.join(' '), 120)}: ${notice.status.state}: ${notice.status.says}`;
    }
    case 'status-failed':
      return `status not set: ${escapeLine(notice.message, 300)}${notice.again ? '. It is tried again.' : ''}`;
    default:
      return undefined;
  }
}

interface Options extends Pick<DaemonOptions, 'metrics'> {
  file?: string;
  project?: string;
}

export const watch: Define = (program, act) => {
  const group = defineCommand(program, 'watch', {
    summary: 'publish what is pushed, and show the levels at the forge',
    description:
      'Watches a repository on any git server, publishes the pipeline of quorate.yaml at each commit that the rules of watch.toml are about, and tells the forge how it stands. It holds the key of a publisher and the token of the forge; the controller has neither. Ctrl-C stops it, and it goes on where it was.',
    examples: ['quorate watch example > ~/.quorate/watch.toml', 'quorate watch', 'quorate watch approvals'],
  });
  addMonitorOption(group)
    .option('--file <file>', 'the rules (default: watch.toml in the home folder)')
    .option(...whichProject)
    .action(act(start));
  defineCommand(group, 'example', {
    summary: 'print a watch.toml with every key explained',
    examples: ['quorate watch example > ~/.quorate/watch.toml'],
  }).action(act(example));
  ask(group, act, 'status', 'show what was published, and what the forge was not told');
  ask(group, act, 'approvals', 'show the pull requests that wait, and what was decided');
  decide(group, act, 'approve', 'approved', 'have the commit of a pull request built');
  decide(group, act, 'deny', 'denied', 'have the commit of a pull request not built');
};

function ask(group: Command, act: Act, verb: 'status' | 'approvals', what: string): void {
  defineCommand(group, verb, { summary: what, examples: [`quorate watch ${verb}`] })
    .option('--project <id>', 'the watcher of this project, where several run')
    .action(act((context: Context, options: Options) => tell(context, options, { do: 'view' }, verb)));
}

function decide(
  group: Command,
  act: Act,
  verb: 'approve' | 'deny',
  verdict: 'approved' | 'denied',
  what: string,
): void {
  defineCommand(group, verb, {
    summary: what,
    description:
      'Decides on one commit. A commit that is pushed to the same pull request afterwards waits again. What strangers propose is built under the floor of the charter, whatever their job file says.',
    examples: [`quorate watch ${verb} 7@0123456789abcdef0123456789abcdef01234567`],
  })
    .argument('<id>', 'PULL@COMMIT, as "quorate watch approvals" prints it')
    .option('--project <id>', 'the watcher of this project, where several run')
    .action(
      act((context: Context, id: string, options: Options) => {
        const [, pull, commit] = /^(\d{1,9})@([0-9a-f]{40}|[0-9a-f]{64})$/.exec(id) ?? [];
        if (pull === undefined || commit === undefined)
          throw new QuorateError(
            'CLI_USAGE',
            `"${id.slice(0, 100)}" is not PULL@COMMIT with a whole commit id`,
            { hint: 'quorate watch approvals prints it.' },
          );
        const by = `${context.env.SUDO_USER ?? context.env.USER ?? 'a person'} on the command line`;
        return tell(context, options, { do: 'decide', pull: Number(pull), commit, verdict, by }, 'approvals');
      }),
    );
}

async function example({ out }: Context): Promise<Exit> {
  const { exampleWatchFile } = await import('../node/example-file.ts');
  out.value({ example: exampleWatchFile });
  out.print(exampleWatchFile.trimEnd());
  return exits.done;
}

async function start(context: Context, options: Options): Promise<Exit> {
  const { cwd, out, signal } = context;
  const { readWatchFile } = await import('../node/watch-file.ts');
  const { checkPublisher, openWatcher } = await import('../node/open.ts');
  const { openClient } = await import('../../member/client.ts');
  const path = options.file === undefined ? join(context.home, 'watch.toml') : resolve(cwd, options.file);
  const file = await readWatchFile(path);
  const { home, membership, addresses } = await membershipFor(context, options.project);
  checkPublisher(home.dir, membership.role);
  const printer = new WatchPrinter(out);
  // The error with which the command ends says why it failed.
  const log = { ...daemonLog(out, 'watch', {}), failed() {} };
  const openWatch = ({ onFailure }: NodePorts) =>
    openWatcher({
      file,
      home,
      env: context.env,
      signal,
      openClient: async (until) => {
        const known = await home.membership(membership.project);
        const tell = (says: string) => out.note(says);
        return openClient({ home, membership: known, addresses, signal: until, tell });
      },
      onEvent: (notice) => printer.print(notice),
      onFailure,
    });
  await runNode({ log, options, signal }, openWatch, async (watcher, stopped) => {
    const { serveWatch } = await import('./watch-server.ts');
    const server = await serveWatch(file, watcher, (line) => out.note(line));
    try {
      const { url: http } = server ?? {};
      out.value({
        event: 'watching',
        project: watcher.project,
        url: file.settings.url,
        ...(http && { http }),
      });
      out.say(`Watching ${out.colours.bold(escapeLine(file.settings.url, 500))}`);
      if (http !== undefined) out.say(`  http  ${http}`);
      await stopped;
    } finally {
      await server?.close();
    }
  });
  return exits.done;
}

async function tell(
  context: Context,
  { project }: Options,
  request: WatchRequest,
  verb: 'status' | 'approvals',
): Promise<Exit> {
  const { askWatcher } = await import('../node/control.ts');
  const view = await askWatcher(context.home, project, request);
  const { out } = context;
  out.value(verb === 'status' ? view : view.pulls);
  if (verb === 'status') sayStatus(out, view);
  else out.say(...pullLines(view));
  return exits.done;
}

function sayStatus(out: Output, { url, refs, publications, untold }: WatchView): void {
  const rows = publications.map(({ at, ref, commit, status, jobs }) => [
    when(at),
    commit.slice(0, 12),
    escapeLine(ref, 80),
    escapeLine(status.says, 140),
    jobs.map(({ run }) => shortRun(run)).join(' '),
  ]);
  const late = untold.map(
    ({ commit, context, tries, failed }) =>
      `not told to the forge: ${context} at ${commit.slice(0, 12)}, ${failed === null ? `tried ${tries} times` : escapeLine(failed, 300)}`,
  );
  out.say(`${escapeLine(url, 500)}, ${refs} branches and tags`);
  out.table(rows);
  out.say(...late);
}

function pullLines({ pulls }: WatchView): string[] {
  if (pulls.length === 0) return ['No pull request is open.'];
  return pulls.flatMap(({ id, title, author, base, decision }) => [
    id,
    `  ${escapeLine(title, 120)}, by ${escapeLine(author, 60)}${base === null ? '' : `, into ${escapeLine(base, 80)}`}`,
    `  ${decision === null ? 'waits for an approval' : `${decision.verdict} by ${escapeLine(decision.by, 100)}`}`,
  ]);
}
