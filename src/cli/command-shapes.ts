import type { Command } from 'commander';

/** An option or argument of a command, as help, completion and man pages show it. */
export interface OptionShape {
  /** `-o`. */
  short: string | undefined;
  /** `--output`. */
  long: string;
  /** `folder` of `--output <folder>`; undefined of a flag. */
  value: string | undefined;
  /** The value may be left out. */
  optional: boolean;
  description: string;
}

export interface CommandShape {
  /** `['image', 'pull']`; empty for the program itself. */
  path: string[];
  summary: string;
  description: string;
  arguments: { name: string; required: boolean; variadic: boolean; description: string }[];
  options: OptionShape[];
  commands: { name: string; summary: string }[];
  examples: string[];
}

/** The program, and all its commands, parents first. */
export type Shapes = [program: CommandShape, ...commands: CommandShape[]];

/** The shapes of a command and those below it, as commander knows them. */
export function shapesOf(command: Command, path: string[] = []): Shapes {
  const children = command.commands.filter((child) => child.name() !== 'help');
  return [
    {
      path,
      summary: command.summary(),
      description: command.description(),
      arguments: command.registeredArguments.map((argument) => {
        const { required, variadic, description } = argument;
        return { name: argument.name(), required, variadic, description };
      }),
      options: optionsOf(command),
      commands: children.map((child) => ({ name: child.name(), summary: child.summary() })),
      examples: examplesOf(command),
    },
    ...children.flatMap((child) => shapesOf(child, [...path, child.name()])),
  ];
}

/** Options of the whole program, which may stand after any command, but for those that the command has itself. */
export function globalOptions(shape: CommandShape, program: CommandShape): OptionShape[] {
  const own = new Set(shape.options.map(({ long }) => long));
  return program.options.filter(({ long }) => !own.has(long) && long !== '--version');
}

function optionsOf(command: Command): OptionShape[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ short, long, flags, required, optional, description }) => {
      if (long === undefined || long === null) return [];
      // A value in angle brackets may hold square ones: <[host:]port> is needed, and its host is not.
      const value = (required ? /<(.+)>/ : /\[(.+)\]/).exec(flags)?.[1];
      return [{ short: short ?? undefined, long, value, optional: optional && !required, description }];
    });
}

/** The help's last part is written by `examples` of context.ts. */
function examplesOf(command: Command): string[] {
  let text = '';
  const writeOut = (more: string) => {
    text += more;
  };
  const output = command.configureOutput();
  command.configureOutput({ ...output, writeOut });
  command.outputHelp();
  command.configureOutput(output);
  const at = text.search(/^Examples?:$/m);
  return at === -1 ? [] : [...text.slice(at).matchAll(/^ {2}\$ (.+)$/gm)].map(([, line = '']) => line);
}
