import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Cron } from 'croner';
import { z } from 'zod';
import { type ForgeKind, forgeKinds } from '../../forge/index.ts';
import { isSafeUrl } from '../../identity/oidc/settings.ts';
import { amountSchema } from '../../protocol/base/amount-schema.ts';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { settingFault } from '../../protocol/base/pattern.ts';
import { parseSettings, type SettingsKind, settingsFault } from '../../protocol/base/settings-file.ts';
import { units } from '../../protocol/base/units.ts';
import type { WatchSettings } from '../machine/rules.ts';
import { watchNodeLimits } from './limits.ts';

const rulesMax = 200;

const line = (max: number) =>
  z
    .string('expected text in quotes')
    .min(1, 'expected text that is not empty')
    .max(max, `expected at most ${max} characters`)
    .regex(/^[^\p{Cc}]+$/u, 'expected text without control characters');
const patterns = z
  .array(
    line(300).superRefine((pattern, context) => {
      const message = settingFault(pattern);
      if (message !== undefined) context.addIssue({ code: 'custom', message });
    }),
    'expected a list of patterns, such as ["main", "release/*"]',
  )
  .max(100, 'expected at most 100 patterns');
const httpUrl = (what: string) =>
  line(2000)
    .refine((text) => /^https?:\/\/[^\s/]+/.test(text) && URL.canParse(text), `expected ${what}`)
    .refine((text) => !URL.canParse(text) || new URL(text).username === '', 'expected a URL without a login');
const cron = line(100).superRefine((text, context) => {
  try {
    new Cron(text, { timezone: 'UTC', paused: true });
  } catch {
    context.addIssue({ code: 'custom', message: 'expected cron(5) times such as "0 3 * * *", in UTC' });
  }
});

const ruleSchema = z
  .strictObject({
    name: line(60).regex(/^[\w.-]+$/, 'expected letters, digits and . _ - only'),
    branches: patterns.optional(),
    tags: patterns.optional(),
    paths: patterns.optional(),
    job: line(200).optional(),
    'cancel-superseded': z.boolean('expected true or false').optional(),
    cron: cron.optional(),
    rebuild: z.boolean('expected true or false').optional(),
  })
  .refine(({ branches, tags }) => (branches ?? tags) !== undefined, 'expected branches or tags');

const fileSchema = z.strictObject({
  repository: z.strictObject({
    url: line(2000),
    poll: amountSchema(units.time, { min: 1, max: 24 * 3600 }).optional(),
    sandbox: z.boolean('expected true or false').optional(),
    subject: z.boolean('expected true or false').optional(),
  }),
  forge: z
    .strictObject({
      kind: z.enum(forgeKinds, `expected one of ${forgeKinds.join(', ')}`),
      api: httpUrl('the address of its API, such as "https://git.example.org"').refine(
        (text) => !URL.canParse(text) || isSafeUrl(new URL(text)),
        'expected https, or http to this host itself: the token goes there',
      ),
      project: line(300).regex(
        /^[\w.-]+(\/[\w.-]+){0,8}$/,
        'expected a project as its address has it: "owner/name"',
      ),
      'token-file': line(1000),
      'webhook-secret-file': line(1000).optional(),
    })
    .optional(),
  status: z
    .strictObject({
      context: line(60)
        .regex(/^[\w. -]+$/, 'expected letters, digits, space and . _ - only')
        .optional(),
      link: httpUrl('an address such as "https://ci.example.org/runs/{run}"').optional(),
      'checkpoint-age': amountSchema(units.time, {
        min: watchNodeLimits.checkpointAgeSecondsMin,
        max: watchNodeLimits.checkpointAgeSecondsMax,
      }).optional(),
    })
    .optional(),
  http: z
    .strictObject({
      listen: line(100).regex(
        /^(\[[0-9a-fA-F:.]{2,45}\]|[a-z0-9.-]{1,253}):[0-9]{1,5}$/,
        'expected host:port',
      ),
      names: z
        .array(
          line(253).regex(/^[a-z0-9.-]+$/, 'expected a host name in lower case'),
          'expected a list of host names',
        )
        .max(20)
        .optional(),
      'sign-in': line(1000).optional(),
    })
    .optional(),
  'pull-requests': z
    .strictObject({
      authors: z.array(line(100), 'expected a list of names').max(200).optional(),
      label: line(40)
        .regex(/^[\w.-]+$/, 'expected letters, digits and . _ - only')
        .optional(),
      paths: patterns.optional(),
      job: line(200).optional(),
    })
    .optional(),
  rule: z.array(ruleSchema, 'expected [[rule]] sections').max(rulesMax).default([]),
});
type File = z.infer<typeof fileSchema>;

const kind: SettingsKind<typeof fileSchema> = {
  schema: fileSchema,
  error: (message, options) => new QuorateError('WATCH_FILE_INVALID', message, options),
  // A file of a hundred rules is far below; a larger one is another file.
  bytesMax: 256 * 1024,
  syntax: 'Text, times and patterns stand in quotes.',
  example: 'quorate watch example prints a file with every key explained.',
};

export type WatchFile = ReturnType<typeof watchFileOf>;

/** @throws `WATCH_FILE_UNREADABLE`, those of `parseWatchFile`. */
export async function readWatchFile(path: string): Promise<WatchFile> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new QuorateError('WATCH_FILE_UNREADABLE', `cannot read ${path}: ${messageOf(cause)}`, {
      hint: 'quorate watch example prints one: save it there.',
      cause,
    });
  }
  return parseWatchFile(text, path);
}

/** Paths in the file count from its folder. `path` names it in errors, which begin `path:line:`. @throws `WATCH_FILE_INVALID`. */
export function parseWatchFile(text: string, path: string): WatchFile {
  const file = parseSettings(text, path, kind);
  checkNames(file, text, path);
  return watchFileOf(file, dirname(resolve(path)));
}

function checkNames({ rule, forge, ...file }: File, text: string, path: string): void {
  const fault = (at: (string | number)[], message: string, hint: string): never => {
    throw settingsFault(text, path, kind, at, message, hint);
  };
  for (const [index, { name }] of rule.entries())
    if (rule.findIndex((one) => one.name === name) !== index)
      fault(
        ['rule', index, 'name'],
        `rule.name: another rule has the name "${name}"`,
        'Give each rule a name of its own.',
      );
  const pulls = file['pull-requests'];
  if (pulls !== undefined && forge === undefined)
    fault(
      ['pull-requests'],
      '[pull-requests] needs a [forge], which tells which are open',
      'Add a section [forge].',
    );
  if (pulls?.label !== undefined && forge !== undefined && !labelling.includes(forge.kind))
    fault(
      ['pull-requests', 'label'],
      `pull-requests.label: with ${forge.kind} no label approves, since who proposes may set labels there`,
      'Leave it out, and approve with quorate watch approve.',
    );
}

function watchFileOf(file: File, folder: string) {
  const { repository, forge, status, http, rule } = file;
  const pulls = file['pull-requests'];
  const settings: WatchSettings = {
    url: repository.url,
    rules: rule.map(({ 'cancel-superseded': supersede = true, ...one }) => ({
      name: one.name,
      branches: one.branches ?? [],
      tags: one.tags ?? [],
      paths: one.paths ?? [],
      job: one.job,
      supersede,
      cron: one.cron,
      rebuild: one.rebuild ?? one.cron !== undefined,
    })),
    ...(pulls !== undefined && {
      pulls: { authors: pulls.authors ?? [], label: pulls.label, paths: pulls.paths ?? [], job: pulls.job },
    }),
    context: status?.context ?? 'quorate',
    link: status?.link,
    words: { subject: repository.subject ?? true },
    dialect: 2,
  };
  const beside = (path: string | undefined) => path && resolve(folder, path);
  const listen = /^(.*):(\d+)$/.exec(http?.listen ?? '') ?? undefined;
  return {
    settings,
    pollMs: (repository.poll ?? 60) * 1000,
    /** Greatest age of the line under the log up to which revocations are known, for a green status. */
    checkpointAgeSeconds: status?.['checkpoint-age'] ?? watchNodeLimits.checkpointAgeSeconds,
    /** Git runs in a sandbox whose only way out leads to the repository's server. */
    confined: repository.sandbox ?? true,
    forge: forge && {
      kind: forge.kind,
      api: forge.api,
      project: forge.project,
      tokenFile: resolve(folder, forge['token-file']),
      webhookSecretFile: beside(forge['webhook-secret-file']),
    },
    listen: listen && {
      host: (listen[1] ?? '').replace(/^\[|\]$/g, ''),
      port: Number(listen[2]),
      /** Those by which clients may call the server, besides its addresses. */
      names: http?.names ?? [],
      /** Path of sign-in.toml, for the page of approvals. */
      signIn: beside(http?.['sign-in']),
    },
  };
}

/** Forges whose labels only people with a right on the project may set. An author of Pagure may tag what he proposes. */
const labelling: readonly ForgeKind[] = ['forgejo', 'gitea', 'github'];
