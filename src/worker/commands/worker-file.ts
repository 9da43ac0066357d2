import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { type Tier, tiers } from '../../../sandbox/index.ts';
import { amountSchema } from '../../protocol/base/amount-schema.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { isHostEntry } from '../../protocol/base/host-entry.ts';
import { capitalised } from '../../protocol/base/quantity.ts';
import { lineOf, parseSettings, type SettingsKind } from '../../protocol/base/settings-file.ts';
import { wrapped } from '../../protocol/base/text.ts';
import { units } from '../../protocol/base/units.ts';
import { peerId } from '../../protocol/documents/index.ts';
import { isPromised, knobList, knobsIn, sectionNames, sections } from '../lending-knobs.ts';
import { hoursPattern, parseHours } from '../node/hours.ts';
import type { OperatorRules, TermKey } from '../node/terms.ts';

const whole = z.int('expected a whole number');
const hours = z
  .string({ error: 'expected a time of day in quotes, such as "20:00-08:00"' })
  .regex(hoursPattern, 'expected a time such as "20:00-08:00"')
  .transform(parseHours);
const hostList = 'expected a list of addresses, such as ["192.168.1.5:3000"]';
const hostPort = z
  .string(hostList)
  .regex(/^(\[[0-9a-fA-F:.]{2,45}\]|[a-z0-9.-]{1,253}):[0-9]{1,5}$/, 'expected host:port');

const hostForm = 'expected host or host:port; for all that the project names, hosts = "any" without brackets';
const allowedList = 'expected "any" or a list of hosts, such as ["git.example.org"]';

type Knob = (typeof knobList)[number];

const wholeIn = ({ min = 1, max = 4096 }: Knob) =>
  whole.min(min, `expected at least ${min}`).max(max, `expected at most ${max}`);

/** The form of a knob's value in the file. */
const forms = {
  count: wholeIn,
  share: wholeIn,
  size: () => amountSchema(units.size),
  time: () => amountSchema(units.time),
  rate: ({ min }: Knob) => amountSchema(units.rate, { min }),
  priority: () => z.enum(['low', 'idle'], 'expected "low" or "idle"'),
  load: ({ min = 0, max = 0 }: Knob) =>
    z.number('expected a number of processors, such as 1.5').min(min, `expected at least ${min}`).max(max),
  hosts: () => z.array(hostPort, hostList).max(100),
  allowed: () =>
    z.union([z.literal('any'), z.array(z.string(allowedList).refine(isHostEntry, hostForm)).max(100)], {
      error: allowedList,
    }),
  hours: () =>
    z
      .array(hours, 'expected a list of times')
      .min(1, 'expected at least one time: this host would never work')
      .max(20),
  projects: () =>
    z
      .array(peerId, 'expected a list of root keys')
      .min(1, 'expected at least one project: this host would serve nobody')
      .max(1000),
  tiers: () =>
    z
      .array(z.enum(tiers, `expected tiers: ${tiers.join(', ')}`))
      .min(1, 'expected at least one tier')
      .max(tiers.length),
} satisfies Record<Knob['type'], (knob: Knob) => z.ZodType>;

const sentence = (text: string) => `${capitalised(text)}.`;

const sectionSchema = (section: keyof typeof sections) =>
  z.strictObject(
    Object.fromEntries(
      knobsIn(section).map((knob) => [
        knob.key,
        (forms[knob.type](knob) as z.ZodType)
          .optional()
          .describe(`${sentence(knob.what)} Default: ${knob.usually}.`),
      ]),
    ),
  );

export const workerFileSchema = z.strictObject(
  Object.fromEntries(
    sectionNames.map((section) => [section, sectionSchema(section).optional().describe(sections[section])]),
  ),
);

const kind: SettingsKind<typeof workerFileSchema> = {
  schema: workerFileSchema,
  error: (message, options) => new QuorateError('WORKER_FILE_INVALID', message, options),
  // The file is about a page; a longer one is another file.
  bytesMax: 64 * 1024,
  syntax: 'A section is [in brackets], sizes and times stand in quotes: memory = "4GiB".',
  example: 'quorate worker config --example prints a file with every key explained.',
};

/** Where each key of [lend] and [when] is given. */
export type Places = Partial<Record<TermKey, string>>;

/** Amounts to lend, from the section `lend` of the file or from options of the same names. */
export interface LendingOptions {
  cpus?: number;
  memory?: number;
  disk?: number;
  jobs?: number;
  processes?: number;
  /** Seconds. */
  time?: number;
}

interface WorkerFile {
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

/** Reads the file; one that does not exist is empty. Errors as `parseWorkerFile`, `WORKER_FILE_UNREADABLE`. */
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

/** `path` only names it in errors, which begin `path:line:`. @throws `WORKER_FILE_INVALID`. */
export function parseWorkerFile(text: string, path: string): WorkerFile {
  const file = parseSettings(text, path, kind);
  const given = knobList.flatMap((knob) => {
    const value = file[knob.section]?.[knob.key];
    return value === undefined ? [] : [{ ...knob, value }];
  });
  const values = (name: 'field' | 'key', chosen: (knob: Knob) => boolean) =>
    Object.fromEntries(given.filter(chosen).map((knob) => [knob[name], knob.value]));
  return {
    lend: values('key', ({ field }) => isPromised(field)) as LendingOptions,
    rules: { hours: [], ...values('field', ({ field }) => field !== 'tiers' && !isPromised(field)) },
    tiers: values('field', ({ field }) => field === 'tiers').tiers as Tier[] | undefined,
    places: Object.fromEntries(
      given
        .filter(({ section }) => section === 'lend' || section === 'when')
        .map(({ section, key, file }) => [key, `${path}:${lineOf(text, [section, key])}: ${file}`]),
    ),
  };
}

const head = `# What this host lends, and when. "quorate join" reads it from its home folder (~/.quorate/worker.toml);
# options on the command line take precedence. Every key is optional. Check it with: quorate worker config --check
`;

/** A file with every key explained and commented out. */
export const exampleWorkerFile = [
  head,
  ...sectionNames.flatMap((section) => [
    `[${section}]`,
    ...knobsIn(section).map(({ key, what, usually, example }) =>
      [
        ...wrapped(`${sentence(what)} Default: ${usually}.`, 100).map((line) => `# ${line}`),
        `# ${key} = ${example}\n`,
      ].join('\n'),
    ),
  ]),
].join('\n');
