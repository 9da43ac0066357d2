import type { Command } from 'commander';
import type { Exit } from './exit-codes.ts';
import type { Output } from './output.ts';

/** Context of a command, besides its arguments. */
export interface Context {
  /** The node's home folder: --home, QUORATE_HOME, or ~/.quorate. */
  home: string;
  homeGiven: boolean;
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
  out: Output;
  /** Aborted by Ctrl-C. A command then has to end within seconds. */
  signal: AbortSignal;
  /** Whether input and output are a terminal, so that the user can be asked. */
  interactive: boolean;
}

/** Adapts a function for `Command.action`: it gets the context first, then the arguments, then the options. */
export type Act = <Given extends unknown[]>(
  run: (context: Context, ...given: Given) => Promise<Exit> | Exit,
) => (...given: unknown[]) => Promise<void>;

/** Adds one command to the program. A command imports the runtime when it runs, so that --help is fast. */
export type Define = (program: Command, act: Act) => void;

interface CommandTexts {
  /** A line in the list of commands. */
  summary: string;
  /** The beginning of its own help. */
  description?: string;
  /** Command lines, at the end of its help. */
  examples: readonly string[];
}

/** Adds a command below the program or a group, with its texts. Arguments, options and the action are for the caller to add. */
export function defineCommand(parent: Command, name: string, texts: CommandTexts): Command {
  const { summary, description = '', examples } = texts;
  const lines = examples.map((line) => `\n  $ ${line}`);
  return parent
    .command(name)
    .summary(summary)
    .description(description)
    .addHelpText('after', `\nExample${lines.length > 1 ? 's' : ''}:${lines.join('')}`);
}

/** The option of commands of members, who may be one of several projects. */
export const whichProject = ['--project <id>', 'which one, for a member of several'] as const;
