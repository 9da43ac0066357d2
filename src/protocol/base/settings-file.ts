import { parse, TomlError } from 'smol-toml';
import { z } from 'zod';
import type { QuorateError } from './errors.ts';
import { nearestWord } from './nearest-word.ts';
import { sizeText } from './quantity.ts';
import { toUtf8 } from './text.ts';

/** A kind of file with settings, in TOML. */
export interface SettingsKind<Schema extends z.ZodType> {
  schema: Schema;
  /** Makes each error of `parseSettings`: its code is that of the kind. */
  error(message: string, options: { hint: string; cause?: unknown }): QuorateError;
  bytesMax: number;
  /** How the file is written, for one that is no TOML. */
  syntax: string;
  /** Where an example is. */
  example: string;
}

/** Reads a file with settings. Errors begin `path:line:`; an unknown key comes first, since a misspelt key is missing as well. */
export function parseSettings<Schema extends z.ZodType>(
  text: string,
  path: string,
  kind: SettingsKind<Schema>,
): z.output<Schema> {
  const { schema, bytesMax, syntax, example } = kind;
  if (toUtf8(text).length > bytesMax)
    throw kind.error(`${path}:1: the file has over ${sizeText(bytesMax)}`, { hint: example });
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const [what = ''] = cause.message.replace('Invalid TOML document: ', '').split('\n');
    const hint = `${syntax} ${example}`;
    throw kind.error(`${path}:${cause.line}:${cause.column}: ${what}`, { hint, cause });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { issues } = result.error;
  const unknown = issues.find((issue) => issue.code === 'unrecognized_keys');
  const at = ((unknown ?? issues[0])?.path ?? []).map((part) =>
    typeof part === 'number' ? part : String(part),
  );
  if (unknown !== undefined) {
    const [key = ''] = unknown.keys;
    const known = keysAt(schema, at);
    const meant = nearestWord(key, known);
    const where = at.length === 0 ? '' : ` in [${at[0]}]`;
    throw kind.error(`${path}:${lineOf(text, [...at, key])}: there is no "${key.slice(0, 60)}"${where}`, {
      hint: `${meant === undefined ? '' : `Did you mean "${meant}"? `}There is: ${known.join(', ')}.`,
    });
  }
  const named = at.filter((part, index) => typeof part === 'string' || index > 1);
  const where = named.length === 0 ? '' : `${named.join('.')}: `;
  throw settingsFault(text, path, kind, at, `${where}${issues[0]?.message ?? 'not valid'}`);
}

/** An error about one place of a file: a table, the number of one of several of its name, a key in it. */
export const settingsFault = (
  text: string,
  path: string,
  { error, example }: Pick<SettingsKind<z.ZodType>, 'error' | 'example'>,
  at: readonly (string | number)[],
  message: string,
  hint = example,
): QuorateError => error(`${path}:${lineOf(text, at)}: ${message}`, { hint });

/** Names of the keys of the table at a place. */
function keysAt(schema: z.ZodType, at: readonly (string | number)[]): string[] {
  let inner: unknown = schema;
  for (const part of [...at, undefined]) {
    while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault) inner = inner.unwrap();
    if (part === undefined) break;
    if (inner instanceof z.ZodArray) inner = inner.element;
    else if (inner instanceof z.ZodObject) inner = inner.shape[part];
  }
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}

/** The line of a key in its table, else that of the table, else 1. A table may also be a key of the file itself. */
export function lineOf(text: string, [table = '', ...below]: readonly (string | number)[]): number {
  const number = typeof below[0] === 'number' ? below[0] : 0;
  const key = below.find((part) => typeof part === 'string');
  let inTable = '';
  let seen = -1;
  let found = 1;
  for (const [at, line] of text.split('\n').entries()) {
    const [, header] = /^\s*\[\[?\s*([^\][]+?)\s*\]/.exec(line) ?? [];
    if (header !== undefined) {
      inTable = header;
      if (header === table && ++seen === number) found = at + 1;
      continue;
    }
    const [, name = ''] = /^\s*"?([\w-]+)"?\s*=/.exec(line) ?? [];
    if (inTable === '' && name === table) return at + 1;
    if (inTable === table && seen === number && name !== '' && name === key) return at + 1;
  }
  return found;
}
