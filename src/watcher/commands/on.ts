import type { Client } from '../../member/client.ts';
import { membershipFor } from '../../member/commands/project-client.ts';
import type { Home } from '../../node/membership/home.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import type { NamedRecipe } from '../../protocol/base/recipe-name.ts';
import { type Context, type Define, defineCommand, whichProject } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { duration, shortRun, when } from '../../terminal/format.ts';
import { recipe, secondsOf, several } from '../../terminal/values.ts';
import type { HookTold, Outcome, ShownEntry } from '../machine/hook-ledger.ts';
import type { HookPorts, Take } from '../sessions/hook.ts';

/** Time of a command unless told, and the longest, in seconds. */
const commandSecondsDefault = 3_600;
const commandSecondsMax = 7 * 24 * 3_600;

interface OpenHook {
  ports: HookPorts;
  home: Home;
  client: Client;
}

interface HookAsked {
  name: string;
  command: readonly string[];
  once?: boolean;
  /** Seconds. */
  timeout?: number;
  project?: string;
}

/** Opens journal and client of a hook, and closes them. @throws `HOOK_USAGE`, `JOURNAL_…`, `MEMBERSHIP_…`, `CONTROLLER_UNREACHABLE`. */
async function hookPorts<T>(
  context: Context,
  { name, command, once = false, timeout, project }: HookAsked,
  use: (hook: OpenHook) => Promise<T>,
): Promise<T> {
  const { cwd, signal, out } = context;
  const [{ openHookFolder }, { runCommand }, { openClient }] = await Promise.all([
    import('../node/hook-folder.ts'),
    import('../node/hook-command.ts'),
    import('../../member/client.ts'),
  ]);
  const seconds = Math.min(timeout ?? commandSecondsDefault, commandSecondsMax);
  const member = await membershipFor(context, project);
  const { home, membership } = member;
  const folder = await openHookFolder(home.dir, membership.project, name, signal);
  try {
    const client = await openClient({ ...member, signal, tell: (says) => out.note(says) });
    try {
      const ports: HookPorts = {
        project: client.project,
        folder,
        clock: folder.clock,
        once,
        list: () => client.jobs(),
        execute: (env) =>
          runCommand({
            words: command,
            cwd,
            signal,
            timeoutMs: seconds * 1000,
            env: { ...context.env, ...env },
            // Standard output is for JSON alone then.
            stdout: out.json ? 2 : 1,
          }),
        tell: (told) => say(context, told),
      };
      return await use({ ports, home, client });
    } finally {
      await client.close();
    }
  } finally {
    await folder.close();
  }
}

interface Shared {
  ref?: string[];
  name?: string;
  once?: boolean;
  timeout?: number;
  project?: string;
  again?: string | true;
}

interface TrustedOptions extends Shared {
  job?: string[];
  source?: string;
  recipe?: NamedRecipe;
  uncosigned?: boolean;
}

export const on: Define = (program, act) => {
  const group = defineCommand(program, 'on', {
    summary: "run a command of the owner's on an outcome",
    description:
      "Follows a project from the owner's machine and runs a command there: for each trusted artifact of a branch or tag, or when something is wrong. Secrets stay with that command, and in no build. Runs until Ctrl-C.",
    examples: [
      'quorate on trusted --ref main -- ./publish.sh',
      'quorate on disputed -- mail -s "Quorate" me@example.org',
    ],
  });
  defineCommand(group, 'trusted', {
    summary: 'for each trusted artifact of a branch or tag',
    description:
      "Runs the command with each trusted artifact of a branch or tag, once: verified in this process from the project's root key, with the revocations of that moment. Never for pull requests, never for an older run after a newer one. Trusted means that the commit gives these bytes, and not that somebody approved the commit.",
    examples: [
      'quorate on trusted --ref main --job package -- ./publish.sh',
      "quorate on trusted --ref 'refs/tags/v*' --once -- sh -c 'rsync -a \"$QUORATE_ARTIFACT/\" web:/srv/'",
      'quorate on trusted --ref main --again 2a4b2f15 -- ./publish.sh',
    ],
  })
    .argument('[command...]', 'after --: a program and its arguments; no shell reads them')
    .option(
      '--ref <ref>',
      'branch, or ref below refs/heads/ or refs/tags/; * for a part of it; repeatable',
      several,
    )
    .option('--job <name>', 'only artifacts of this job; repeatable (default: every job)', several)
    .option('--source <url>', 'refuse what was built from another repository')
    .option('--recipe <file>', 'accept this job file, REPO[@COMMIT]:PATH, in place of its own', recipe)
    .option('--uncosigned', 'also for what no trusted worker signed')
    .option('--timeout <time>', 'end the command after this time: 10m, 2h (default: 1h)', secondsOf)
    .option('--once', 'end after the first command, with its result')
    .option('--name <name>', 'of this hook: each has a journal of its own (default: trusted)')
    .option('--again [run]', 'run the command for this run again; without one: list what did not end well')
    .option(...whichProject)
    .action(act(trusted));
  defineCommand(group, 'disputed', {
    summary: 'when results are disputed, revoked, or the log tells two stories',
    description:
      'Runs the command once for each run whose results are in dispute or were contradicted, for each verdict that a revocation voids, and for evidence that the log tells two stories. QUORATE_EVENT says which.',
    examples: ['quorate on disputed -- mail -s "Quorate" me@example.org'],
  })
    .argument('[command...]', 'after --: a program and its arguments; no shell reads them')
    .option('--ref <ref>', 'only runs at this branch or tag; repeatable (default: every run)', several)
    .option('--timeout <time>', 'end the command after this time: 10m, 2h (default: 1h)', secondsOf)
    .option('--once', 'end after the first command, with its result')
    .option('--name <name>', 'of this hook: each has a journal of its own (default: disputed)')
    .option(...whichProject)
    .action(act(disputed));
};

async function trusted(context: Context, command: string[], options: TrustedOptions): Promise<Exit> {
  const { name = 'trusted', again, uncosigned = false, source, job = [] } = options;
  if (again === true) return listOpen(context, name, options.project);
  const { parseRefPattern } = await import('../machine/hook-refs.ts');
  if (options.ref === undefined)
    throw new QuorateError('CLI_USAGE', "required option '--ref <ref>' not specified", {
      hint: 'A trusted artifact is not an approved one: say for which branch or tag, such as --ref main.',
    });
  const refs = options.ref.map(parseRefPattern);
  checkCommand(command);
  const [{ TrustedHook }, { followTrusted, repeatTrusted }, { logInMemory, takeTrusted }] = await Promise.all(
    [import('../machine/trusted-hook.ts'), import('../sessions/hook.ts'), import('../node/hook-evidence.ts')],
  );
  return hookPorts(context, { ...options, name, command }, async ({ ports, home, client }) => {
    const hook = new TrustedHook({ refs, jobs: job, uncosigned }, ports.folder.ledger);
    const log = { source: client.source, copy: logInMemory() };
    const { recipe } = options;
    const at = { home, project: client.project, source, recipe, log, signal: context.signal };
    const take: Take = (run, dir, accept) => takeTrusted({ ...at, run, dir, accept });
    if (again === undefined) return exitOf(context, options, await followTrusted(ports, hook, take));
    const run = await find(client, again);
    return exitOf(context, { once: true }, await repeatTrusted(ports, hook, take, run));
  });
}

async function disputed(context: Context, command: string[], options: Shared): Promise<Exit> {
  const { name = 'disputed' } = options;
  const { parseRefPattern } = await import('../machine/hook-refs.ts');
  const refs = options.ref?.map(parseRefPattern);
  checkCommand(command);
  const { followDisputed } = await import('../sessions/hook.ts');
  const { provenByMembers } = await import('../node/hook-evidence.ts');
  return hookPorts(context, { ...options, name, command }, async ({ ports, home, client }) => {
    const { signal } = context;
    const proven = provenByMembers({ home, project: client.project, signal, tell: ports.tell });
    return exitOf(context, options, await followDisputed(ports, refs, proven));
  });
}

function checkCommand(command: readonly string[]): void {
  if (command.length > 0) return;
  throw new QuorateError('HOOK_USAGE', 'there is no command to run', {
    hint: 'Give it after --: quorate on trusted --ref main -- ./publish.sh',
  });
}

/** A run that the controller lists, by its id or the start of it. @throws `HOOK_USAGE`. */
async function find(client: OpenHook['client'], which: string) {
  const { jobs } = await client.jobs();
  const fits = jobs.filter(({ run }) => which.length >= 8 && run.startsWith(which));
  const [run] = fits;
  if (run !== undefined && fits.length === 1) return run;
  throw new QuorateError('HOOK_USAGE', `the controller lists no run ${JSON.stringify(which.slice(0, 80))}`, {
    hint: 'Give its id, or the first 8 characters at least: quorate jobs',
  });
}

function exitOf({ signal }: Context, { once = false }: Shared, last: Outcome | undefined): Exit {
  if (!once) return exits.done;
  if (last === undefined || (signal.aborted && last.kind === 'stopped')) return exits.interrupted;
  return last.kind === 'exit' && last.code === 0 ? exits.done : exits.no;
}

/** Lists failures in the ledger of a hook that does not run now. @throws `JOURNAL_IN_USE`, `MEMBERSHIP_…`. */
async function listOpen(context: Context, name: string, project: string | undefined): Promise<Exit> {
  const { outcomeText } = await import('../machine/hook-ledger.ts');
  const { openHookFolder } = await import('../node/hook-folder.ts');
  const { home, membership } = await membershipFor(context, project);
  const folder = await openHookFolder(home.dir, membership.project, name);
  const { open } = folder.ledger;
  await folder.close();
  const { out } = context;
  out.value(open);
  if (open.length === 0) out.say(`Every command of the hook ${name} ended well.`);
  const what = (entry: ShownEntry): string => {
    if (entry.state === 'refused') return `refused [${entry.code}]: ${escapeLine(entry.message, 300)}`;
    return entry.state === 'started' ? 'runs, or was interrupted' : outcomeText(entry.outcome);
  };
  for (const entry of open) out.say(`${entry.subject}  ${when(entry.at)}  ${what(entry)}`);
  return exits.done;
}

function say({ out }: Context, told: HookTold): void {
  out.value(told);
  const { red, green, dim } = out.colours;
  switch (told.event) {
    case 'following':
      return out.say(dim('Following the project; Ctrl-C ends it.'));
    case 'waiting':
      return out.say(`Waiting: ${told.message} [${told.code}]`);
    case 'retrying':
      return out.say(`${shortRun(told.run)}: tried again soon: ${told.message} [${told.code}]`);
    case 'refused':
      return out.say(red(`${shortRun(told.run)}: refused: ${escapeLine(told.message, 500)} [${told.code}]`));
    case 'started':
      return out.say(
        `${told.subject}: running the command${told.name === '' ? '' : ` for ${escapeLine(told.name, 80)} at ${escapeLine(told.ref, 80)}`}`,
      );
    case 'ended': {
      const good = told.outcome.kind === 'exit' && told.outcome.code === 0;
      const line = `${told.subject}: ${escapeLine(told.says, 500)} after ${duration(told.ms)}`;
      return out.say(good ? green(line) : red(line));
    }
  }
}
