import { readFile } from 'node:fs/promises';
import { parse, TomlError } from 'smol-toml';
import { z } from 'zod';
import { QuorateError } from '../core/errors.ts';
import { nearestWord, parseBytes } from '../jobfile/index.ts';
import { type Hours, parseHours } from '../runtime/hours.ts';
import type { OperatorRules } from '../runtime/operator.ts';
import type { LendingOptions } from './lending.ts';

/** A worker's own file is a page; what is longer is none. */
const bytesMax = 64 * 1024;

const size = z
  .string({ error: 'expected a size in quotes, such as "4GiB"' })
  .regex(/^[1-9][0-9]{0,8}(KiB|MiB|GiB|TiB)$/, 'expected a size such as "512MiB" or "4GiB"')
  .transform((text) => parseBytes(text) ?? Number.NaN);
const count = z
  .int('expected a whole number')
  .min(1, 'expected at least 1')
  .max(4096, 'expected at most 4096');
const hours = z
  .string({ error: 'expected a time of day in quotes, such as "20:00-08:00"' })
  .regex(
    /^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$/,
    'expected a time such as "20:00-08:00"',
  )
  .transform((text): Hours => parseHours(text) ?? { from: 0, to: 0 });

const lendSchema = z.strictObject({
  cpus: count.optional().describe('Processors that builds may keep busy together. Default: half of them.'),
  memory: size.optional().describe('Memory of all builds together, such as "4GiB". Default: half of it.'),
  disk: size
    .optional()
    .describe('What one build may write, such as "10GiB". It lives in memory and counts there, too.'),
  jobs: count.optional().describe('Jobs at once. Default: 1.'),
});
const whenSchema = z.strictObject({
  hours: z
    .array(hours)
    .max(20)
    .optional()
    .describe('Take new jobs only then, in local time; what runs is finished. Default: always.'),
  pause_above_load: z
    .number('expected a number of processors, such as 1.5')
    .min(0.1, 'expected at least 0.1')
    .max(4096)
    .optional()
    .describe(
      'Let builds stand still while your own programs keep more processors busy than this. Default: never.',
    ),
});
export const workerFileSchema = z.strictObject({
  lend: lendSchema.optional().describe('How much of this machine builds get.'),
  when: whenSchema.optional().describe('When they get it.'),
});

const keys: Record<string, readonly string[]> = {
  '': Object.keys(workerFileSchema.shape),
  lend: Object.keys(lendSchema.shape),
  when: Object.keys(whenSchema.shape),
};

export interface WorkerFile {
  lend: LendingOptions;
  rules: OperatorRules;
}

/** JSON Schema (draft 2020-12), for editors: published as docs/worker.schema.json. */
export function workerFileJsonSchema(): object {
  return { title: 'worker.toml', ...z.toJSONSchema(workerFileSchema, { io: 'input' }) };
}

/** What the file says; a file that is not there says nothing. Errors as `parseWorkerFile`, `WORKER_FILE_UNREADABLE`. */
export async function readWorkerFile(path: string): Promise<WorkerFile> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return { lend: {}, rules: { hours: [] } };
    throw new QuorateError('WORKER_FILE_UNREADABLE', `cannot read ${path}: ${(cause as Error).message}`, {
      hint: 'It must be a file that you may read.',
      cause,
    });
  }
  return parseWorkerFile(text, path);
}

/**
 * `path` only names it in errors, which begin `path:line:`.
 * Throws `WORKER_FILE_SYNTAX` (no TOML), `WORKER_FILE_UNKNOWN_KEY`, `WORKER_FILE_INVALID`.
 */
export function parseWorkerFile(text: string, path: string): WorkerFile {
  if (Buffer.byteLength(text) > bytesMax)
    throw new QuorateError('WORKER_FILE_INVALID', `${path} has over ${bytesMax} bytes`, {
      hint: 'quorate worker config --example prints one.',
    });
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const [what = ''] = cause.message.replace('Invalid TOML document: ', '').split('\n');
    throw new QuorateError('WORKER_FILE_SYNTAX', `${path}:${cause.line}:${cause.column}: ${what}`, {
      hint: 'Sizes and times stand in quotes: memory = "4GiB". quorate worker config --example prints a whole file.',
      cause,
    });
  }
  const result = workerFileSchema.safeParse(value);
  if (!result.success) throw errorOf(result.error.issues[0], text, path);
  const { lend = {}, when = {} } = result.data;
  return {
    lend: defined(lend),
    rules: {
      hours: when.hours ?? [],
      ...(when.pause_above_load === undefined ? {} : { pauseAboveLoad: when.pause_above_load }),
    },
  };
}

function defined({ cpus, memory, disk, jobs }: z.infer<typeof lendSchema>): LendingOptions {
  return {
    ...(cpus === undefined ? {} : { cpus }),
    ...(memory === undefined ? {} : { memory }),
    ...(disk === undefined ? {} : { disk }),
    ...(jobs === undefined ? {} : { jobs }),
  };
}

function errorOf(issue: z.core.$ZodIssue | undefined, text: string, path: string): QuorateError {
  const [section = '', ...below] = (issue?.path ?? []).map(String);
  if (issue?.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys;
    const known = keys[section] ?? [];
    const meant = nearestWord(key, known);
    return new QuorateError(
      'WORKER_FILE_UNKNOWN_KEY',
      `${path}:${lineOf(text, section, key)}: there is no "${key.slice(0, 60)}"${section === '' ? '' : ` in [${section}]`}`,
      {
        hint:
          meant === undefined
            ? `There is: ${known.join(', ')}.`
            : `Did you mean "${meant}"? There is: ${known.join(', ')}.`,
      },
    );
  }
  const [key = section] = below;
  const where = below.length === 0 ? `[${section}]` : `${section}.${below.join('.')}`;
  return new QuorateError(
    'WORKER_FILE_INVALID',
    `${path}:${lineOf(text, below.length === 0 ? '' : section, key)}: ${where}: ${issue?.message ?? 'not valid'}`,
    { hint: 'quorate worker config --example prints a file with every key explained.' },
  );
}

/** The line of a key in its table, or of the table; 1 where it stands in a form this does not look for. */
function lineOf(text: string, section: string, key: string): number {
  let table = '';
  for (const [index, line] of text.split('\n').entries()) {
    const [, header] = /^\s*\[\s*([^\][]+?)\s*\]/.exec(line) ?? [];
    if (header !== undefined) table = header;
    if (header === key && section === '') return index + 1;
    if (table === section && header === undefined && line.trim().replaceAll('"', '').startsWith(key))
      return index + 1;
  }
  return 1;
}

export const exampleWorkerFile = `# What this machine lends, and when. "quorate join" reads it from its home folder (~/.quorate/worker.toml);
# options on the command line go before it. All of it is optional. Check it with: quorate worker config --check

[lend]
# Processors that builds may keep busy together (default: half of them), at low priority.
# cpus = 2

# Memory of all builds together (default: half of it). A build that needs more is stopped; nothing is swapped.
# memory = "4GiB"

# What one build may write. It lives in memory and counts there, too.
# disk = "4GiB"

# Jobs at once.
# jobs = 1

[when]
# Take new jobs only then, in local time; what runs is finished. Default: always.
# hours = ["20:00-08:00", "12:00-13:00"]

# Let builds stand still while your own programs keep more processors busy than this. Default: never.
# pause_above_load = 1.5
`;
