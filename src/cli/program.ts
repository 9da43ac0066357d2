import { existsSync, statfsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { Command } from 'commander';
import { isJournal, version } from '../program.ts';
import { assert, QuorateError } from '../protocol/base/errors.ts';
import { nearestWord } from '../protocol/base/nearest-word.ts';
import type { Act, Context } from '../terminal/context.ts';
import type { Exit } from '../terminal/exit-codes.ts';
import { Output, type Sink } from '../terminal/output.ts';
import { verbs } from './commands.ts';

/** statfs(2) of /proc. A folder that is made there is reported as made, and is not there. */
const procMagic = 0x9fa0;
const hint = 'Name a folder: --home <folder>, or QUORATE_HOME.';

/** The folder for keys, memberships and artifacts: the one that was given, or .quorate in the user's home. @throws {QuorateError} `CLI_USAGE` */
export function homeFolder(given: string | undefined, userHome: string): string {
  if (given === undefined && !isAbsolute(userHome))
    throw new QuorateError('CLI_USAGE', `HOME names no folder: "${userHome.slice(0, 200)}"`, { hint });
  if (given === undefined && !existsSync(userHome))
    throw new QuorateError(
      'CLI_USAGE',
      `HOME names a folder that does not exist: "${userHome.slice(0, 200)}"; nothing was made`,
      { hint },
    );
  const folder = resolve(given ?? join(userHome, '.quorate'));
  let there = folder;
  while (!existsSync(there)) there = dirname(there);
  if (statfsSync(there).type === procMagic)
    throw new QuorateError(
      'CLI_USAGE',
      `there can be no folder ${folder}: ${there} is on a proc file system, which keeps no files`,
      {
        hint,
      },
    );
  return folder;
}

const about = `Continuous integration on machines nobody has to trust.

lend a machine   quorate join <ticket>
own a project    quorate init, up, controller, invite, run
use an artifact  quorate fetch <cid>`;

const after = `
Exit codes: 0 done; 1 the answer is no (build failed, not trusted, disputed);
2 used wrongly; 3 this machine or the network cannot; 130 stopped by Ctrl-C;
141 nobody read the answer.
Each command has its own --help with an example.`;

interface GlobalOptions {
  home?: string;
  json?: boolean;
}

/** Streams and environment of the command line: by default those of the process. */
export interface Surroundings {
  env: Readonly<Record<string, string | undefined>>;
  cwd(): string;
  stdin: { isTTY?: boolean };
  stdout: Sink;
  stderr: Sink;
}

/** Creates the command line. `finished` is called with the exit code of the command. */
export function createProgram(
  signal: AbortSignal,
  finished: (exit: Exit) => void,
  around: Surroundings = process,
): Command {
  const { stdout } = around;
  const program = new Command('quorate')
    .description(about)
    .version(version(), '-V, --version', 'print the version')
    .option(
      '--home <folder>',
      'keys, memberships and artifacts of this machine (default: $QUORATE_HOME or ~/.quorate)',
    )
    .option('--json', 'answer in JSON: one value, or one a line where it follows something')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', after)
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    // main.ts prints errors.
    .configureOutput({
      outputError: () => undefined,
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stdout.write(text),
    })
    .exitOverride()
    .showSuggestionAfterError(true);
  for (const define of verbs) {
    define(program, actor(signal, finished, around));
  }
  // Refused by `actor`, which names the verb that is meant.
  for (const command of program.commands) command.allowExcessArguments(takesVerbsOnly(command));
  program.on('command:*', ([word = '']: string[]) => {
    throw unknownCommand(program, word);
  });
  return program;
}

/** Words by which other programs name what a command does. */
const usual: Readonly<Record<string, string>> = {
  status: 'jobs',
  list: 'jobs',
  ls: 'jobs',
  runs: 'jobs',
  log: 'logs',
  build: 'run',
  submit: 'run',
  start: 'up',
  serve: 'up',
  download: 'fetch',
  get: 'fetch',
};

/** Names the command that does what the word usually means, and those that have a verb of this name, else the one that is spelled most alike. */
function unknownCommand({ commands }: Command, word: string): QuorateError {
  const verbOf = commands.filter((command) => command.commands.some((verb) => verb.name() === word));
  const near = nearestWord(
    word,
    commands.map((command) => command.name()),
  );
  const known = Object.hasOwn(usual, word) ? usual[word] : undefined;
  const named = [
    ...commands.flatMap((command) => (command.name() === known ? [known] : [])),
    ...verbOf.map((command) => `${command.name()} ${word}`),
  ];
  const meant = named.length > 0 ? named.join(', ') : near;
  return new QuorateError('CLI_USAGE', `unknown command '${word}'`, {
    hint: meant === undefined ? 'Add --help for the commands.' : `Did you mean ${meant}?`,
  });
}

/** A word after such a command is a verb or a mistake. */
const takesVerbsOnly = ({ commands, registeredArguments }: Command): boolean =>
  commands.length > 0 && registeredArguments.length === 0;

function actor(signal: AbortSignal, finished: (exit: Exit) => void, around: Surroundings): Act {
  return <Given extends unknown[]>(run: (context: Context, ...given: Given) => Promise<Exit> | Exit) =>
    async (...given: unknown[]) => {
      const command = given.at(-1);
      assert(command instanceof Command, 'commander passes the command last');
      const [word] = takesVerbsOnly(command) ? command.args : [];
      if (word !== undefined) throw unknownCommand(command, word);
      const context = contextOf(command.optsWithGlobals<GlobalOptions>(), signal, around);
      finished(await run(context, ...(given.slice(0, -1) as Given)));
    };
}

function contextOf(
  { home, json = false }: GlobalOptions,
  signal: AbortSignal,
  { env, cwd, stdin, stdout, stderr }: Surroundings,
): Context {
  const cursor = env.TERM !== 'dumb';
  const colour = stdout.isTTY === true && !env.NO_COLOR && cursor;
  const given = home ?? (env.QUORATE_HOME || undefined);
  return {
    // Looked at where it is used: many commands need none.
    get home() {
      return homeFolder(given, homedir());
    },
    homeGiven: given !== undefined,
    cwd: cwd(),
    env,
    out: new Output(stdout, stderr, { json, colour, cursor, journald: isJournal(env.JOURNAL_STREAM) }),
    signal,
    interactive: stdin.isTTY === true && stderr.isTTY === true && !json,
  };
}
