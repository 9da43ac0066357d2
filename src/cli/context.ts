import type { Command } from 'commander';
import type { Exit } from './exit-codes.ts';
import type { Output } from './output.ts';

/** What a command gets besides its own arguments. */
export interface Context {
  /** The node's folder: --home, QUORATE_HOME, or ~/.quorate. */
  home: string;
  /** Not the default. */
  homeGiven: boolean;
  cwd: string;
  out: Output;
  /** Aborted by Ctrl-C: stop, within seconds. */
  signal: AbortSignal;
  /** A person sits there who can be asked. */
  interactive: boolean;
}

/** Makes a function for `Command.action` of one that gets the context first, then the arguments, then the options. */
export type Act = <Given extends unknown[]>(
  run: (context: Context, ...given: Given) => Promise<Exit> | Exit,
) => (...given: unknown[]) => Promise<void>;

/** Adds one command. What a command needs of the runtime it imports when it runs, so that --help is fast. */
export type Define = (program: Command, act: Act) => void;

/** The last part of a command's help. */
export function examples(...lines: string[]): string {
  return `\nExample${lines.length > 1 ? 's' : ''}:\n${lines.map((line) => `  $ ${line}\n`).join('')}`.trimEnd();
}
