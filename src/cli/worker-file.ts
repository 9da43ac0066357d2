import { readFile } from 'node:fs/promises';
import { parse, TomlError } from 'smol-toml';
import { z } from 'zod';
import { type Tier, tiers } from '../../sandbox/index.ts';
import { amountSchema } from '../core/amount-schema.ts';
import { peerId } from '../core/documents/index.ts';
import { QuorateError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { units } from '../core/units.ts';
import { nearestWord } from '../jobfile/index.ts';
import { type Hours, parseHours } from '../runtime/worker/hours.ts';
import type { OperatorRules, TermKey } from '../runtime/worker/terms.ts';
import { bytes } from './format.ts';
import type { LendingOptions } from './lending.ts';

/** A worker's own file is a page; what is longer is none. */
const bytesMax = 64 * 1024;

const size = amountSchema(units.size);
const time = amountSchema(units.time);
const rate = amountSchema(units.rate, { min: limits.bandwidthBytesMin });
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
  processes: z
    .int('expected a whole number')
    .min(limits.jobPidsMin, `expected at least ${limits.jobPidsMin}`)
    .max(4_194_304, 'expected at most 4194304')
    .optional()
    .describe('Processes and threads of all builds together. Default: 4096.'),
  time: time
    .optional()
    .describe('How long one build may take; jobs that ask for more are passed over. Default: "24h".'),
  cpu_time: time
    .optional()
    .describe('Processor time one build may use before it is stopped. Default: as much as its time allows.'),
  images: size
    .optional()
    .describe(
      'Room on the disk for the images that jobs build in; the one used longest ago goes first. Default: "10GiB".',
    ),
  results: size
    .optional()
    .describe(
      'Room on the disk for results, which are served to others; the one asked for longest ago goes first. Default: "10GiB".',
    ),
});
const prioritySchema = z.strictObject({
  processor: z
    .enum(['low', 'idle'], 'expected "low" or "idle"')
    .optional()
    .describe('"low": a fifth of the usual share. "idle": only what nobody else wants. Default: "low".'),
  io: z
    .int('expected a whole number')
    .min(1, 'expected at least 1')
    .max(1000, 'expected at most 1000')
    .optional()
    .describe('Share of the disks, where everybody else has 100 and a scheduler heeds it. Default: 20.'),
});
const networkSchema = z.strictObject({
  up: rate
    .optional()
    .describe('What the worker may send, all together, such as "1MiB/s". Default: no limit.'),
  down: rate.optional().describe('What it may receive, checkouts included. Default: no limit.'),
  private: z
    .array(
      z
        .string('expected a list of addresses, such as ["192.168.1.5:3000"]')
        .regex(/^(\[[0-9a-fA-F:.]{2,45}\]|[a-z0-9.-]{1,253}):[0-9]{1,5}$/, 'expected host:port'),
      'expected a list of addresses, such as ["192.168.1.5:3000"]',
    )
    .max(100)
    .optional()
    .describe(
      'Servers in your own network that builds may reach, where their project names the very same. Default: none.',
    ),
});
const serveSchema = z.strictObject({
  projects: z
    .array(peerId, 'expected a list of root keys')
    .min(1, 'expected at least one project: this machine would serve nobody')
    .max(1000)
    .optional()
    .describe('Root keys of the projects this machine works for. Default: those that it joined.'),
});
const sandboxSchema = z.strictObject({
  tiers: z
    .array(z.enum(tiers, `expected tiers: ${tiers.join(', ')}`))
    .min(1, 'expected at least one tier')
    .max(tiers.length)
    .optional()
    .describe('Sandboxes to offer; each must work. Default: the strongest that works here.'),
});
const whenSchema = z.strictObject({
  hours: z
    .array(hours, 'expected a list of times')
    .min(1, 'expected at least one time: this machine would never work')
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
  priority: prioritySchema.optional().describe('How builds give way to everything else.'),
  network: networkSchema
    .optional()
    .describe(
      "What the worker may use of the network, with the builds whose jobs ask for the servers of the project's source and store; others have none.",
    ),
  when: whenSchema.optional().describe('When they get it.'),
  serve: serveSchema.optional().describe('Who gets it.'),
  sandbox: sandboxSchema.optional().describe('What stands between them and the machine.'),
});

const keys: Record<string, readonly string[]> = {
  '': Object.keys(workerFileSchema.shape),
  ...Object.fromEntries(
    Object.entries({
      lend: lendSchema,
      priority: prioritySchema,
      network: networkSchema,
      when: whenSchema,
      serve: serveSchema,
      sandbox: sandboxSchema,
    }).map(([name, { shape }]) => [name, Object.keys(shape)]),
  ),
};

/** Where each key of [lend] and [when] is given. */
export type Places = Partial<Record<TermKey, string>>;

export interface WorkerFile {
  lend: LendingOptions;
  rules: OperatorRules;
  /** Undefined where the file leaves it open. */
  tiers: Tier[] | undefined;
  /** `path:line: lend.memory`, of what the file gives. */
  places: Places;
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
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT')
      return { lend: {}, rules: { hours: [] }, tiers: undefined, places: {} };
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
    throw new QuorateError('WORKER_FILE_INVALID', `${path} has over ${bytes(bytesMax)}`, {
      hint: 'quorate worker config --example prints one.',
    });
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const [what = ''] = cause.message.replace('Invalid TOML document: ', '').split('\n');
    throw new QuorateError('WORKER_FILE_SYNTAX', `${path}:${cause.line}:${cause.column}: ${what}`, {
      hint: 'A section is [in brackets], sizes and times stand in quotes: memory = "4GiB". quorate worker config --example prints a whole file.',
      cause,
    });
  }
  const result = workerFileSchema.safeParse(value);
  if (!result.success) throw errorOf(result.error.issues[0], text, path);
  const { lend = {}, priority = {}, network = {}, when = {}, serve = {}, sandbox = {} } = result.data;
  const { cpus, memory, disk, jobs, processes, time } = lend;
  return {
    lend: defined({ cpus, memory, disk, jobs, processes, time }),
    rules: {
      hours: when.hours ?? [],
      ...defined({
        pauseAboveLoad: when.pause_above_load,
        serve: serve.projects,
        processorSeconds: lend.cpu_time,
        imageBytes: lend.images,
        resultBytes: lend.results,
        processor: priority.processor,
        ioWeight: priority.io,
        upBytes: network.up,
        downBytes: network.down,
        privateHosts: network.private,
      }),
    },
    tiers: sandbox.tiers,
    places: Object.fromEntries(
      Object.entries({ lend, when }).flatMap(([section, given]) =>
        Object.keys(given).map((key) => [key, `${path}:${lineOf(text, section, key)}: ${section}.${key}`]),
      ),
    ),
  };
}

type Defined<T> = { [key in keyof T]?: Exclude<T[key], undefined> };

function defined<T extends object>(all: T): Defined<T> {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Defined<T>;
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

# Processes and threads of all builds together.
# processes = 4096

# How long one build may take. Jobs that ask for more are passed over.
# time = "2h"

# Processor time one build may use before it is stopped.
# cpu_time = "4h"

# Room on the disk for the images that jobs build in. The one used longest ago goes first.
# images = "10GiB"

# Room on the disk for results, which are served to others. The one asked for longest ago goes first.
# results = "10GiB"

[priority]
# "low": a fifth of the usual share of the processors. "idle": only what nobody else wants.
# processor = "low"

# Share of the disks, where everybody else has 100. Works with the schedulers bfq and io.cost only.
# io = 20

[network]
# What the worker may send and receive a second: artifacts, checkouts, talk, and builds whose jobs ask for the servers
# of the project's source and store. Other builds have no network.
# up = "1MiB/s"
# down = "4MiB/s"

# Servers in your own network that builds may reach, where their project names the very same address. Without this a build
# reaches only servers of the open internet, whatever its project says.
# private = ["192.168.1.5:3000"]

[when]
# Take new jobs only then, in local time; what runs is finished. Default: always.
# hours = ["20:00-08:00", "12:00-13:00"]

# Let builds stand still while your own programs keep more processors busy than this. Default: never.
# pause_above_load = 1.5

[serve]
# Root keys of the projects this machine works for; it joins no other. Default: those that it joined.
# projects = ["12D3KooWLPQ43ca4k9hZatuhurWJzD8729xhxf5KFWiXijqzAQfa"]

[sandbox]
# Tiers to offer; each must work: vm, vm-emulated, gvisor, namespace. Default: the strongest that works here.
# tiers = ["gvisor"]
`;
