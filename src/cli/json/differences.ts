import { z } from 'zod';
import { comparedSchema } from '../../protocol/wire/progress.ts';
import { cid, count, event, level, progressEvent, sha256, size, texts } from './parts.ts';

const entry = z.strictObject({
  kind: z.enum(['file', 'dir', 'link']),
  size,
  executable: z.boolean(),
  cid,
  sha256: sha256.optional(),
  target: z.string().optional(),
});
const firstDifference = z.strictObject({ offset: size, from: size, a: z.string(), b: z.string() });
export const change = z
  .enum(['added', 'removed', 'changed', 'kind', 'content', 'mode', 'target'])
  .or(z.string());
const side = z.strictObject({
  cid,
  from: z.enum(['store', 'mesh', 'folder', 'file']),
  level: level.or(z.literal('revoked')).optional(),
});
const memberSide = z
  .looseObject({
    kind: z.string(),
    size: size.optional(),
    sha256: sha256.optional(),
    target: z.string().nullable(),
  })
  .nullable();
const sides = event('sides', { a: side, b: side });
const pageOfDiffoscope = event('diffoscope', { line: z.string() });

/** Of `compare` and its older name `diff`. */
export const comparison = [
  sides,
  progressEvent,
  event('compared', {
    path: z.string(),
    result: z.string(),
    change,
    a: entry.nullable(),
    b: entry.nullable(),
    first: firstDifference.nullable(),
    normalisations: texts,
    reasons: texts,
    within: z.strictObject({ format: z.enum(['tar', 'file']), bytes: size, sha256 }).nullable(),
    members: z.array(
      z.strictObject({ path: z.string(), change, fields: texts, a: memberSide, b: memberSide }),
    ),
  }),
  event('compare', {
    result: z.enum(['same', 'normalised', 'different']),
    normalisations: texts,
    same: count.optional(),
    normalised: count.optional(),
    different: count.optional(),
  }).loose(),
  event('difference', {
    path: z.string(),
    change,
    a: entry.nullable(),
    b: entry.nullable(),
    first: firstDifference.nullable(),
  }),
  event('diff', { differs: z.boolean(), added: count, removed: count, changed: count }),
  event('results', {
    results: z.array(
      z.strictObject({
        name: z.string(),
        result: z.string(),
        tree: cid.nullable(),
        builds: z.array(comparedSchema.strict()),
      }),
    ),
    workers: texts,
  }),
  event('logs', {
    a: z.string(),
    b: z.string(),
    differs: z.boolean(),
    lines: z.array(z.strictObject({ a: z.string().nullable(), b: z.string().nullable() })),
  }),
  pageOfDiffoscope,
];
