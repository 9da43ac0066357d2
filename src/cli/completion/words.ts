import type { CommandShape, OptionShape } from '../command-shapes.ts';

/** Kind of path that the shell offers for the value of an option or an argument. */
export type ValueKind = 'file' | 'folder' | 'none';

const folders = /^(folder|dir|home)/;
const files = /(file|path|bundle|cid\/path|a|b)$/;

/** By the placeholder: `<folder>`, `<file>`, `<job file>`. */
export function kindOf(placeholder: string): ValueKind {
  if (folders.test(placeholder)) return 'folder';
  return files.test(placeholder) ? 'file' : 'none';
}

/** The options of a command with those of the whole program, which may stand anywhere. */
export function allOptions(shape: CommandShape, program: CommandShape): OptionShape[] {
  const own = new Set(shape.options.map(({ long }) => long));
  return [...shape.options, ...program.options.filter(({ long }) => !own.has(long) && long !== '--version')];
}

/** Kind of path that the shell offers for the positional arguments of a command. */
export function argumentKind(shape: CommandShape): ValueKind {
  const kinds = shape.arguments.map(({ name }) => (name === 'repo' ? 'folder' : kindOf(name)));
  return kinds.includes('file') ? 'file' : kinds.includes('folder') ? 'folder' : 'none';
}

/** In single quotes for sh, bash, zsh. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
