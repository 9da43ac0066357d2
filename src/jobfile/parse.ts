import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import type { z } from 'zod';
import { QuorateError } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { nearestWord } from '../protocol/base/nearest-word.ts';
import { sizeTexts } from '../protocol/base/quantity.ts';
import { encodeCanonical, type Job, type Policy } from '../protocol/documents/index.ts';
import { jobSchema } from '../protocol/documents/job.ts';
import { roundBytesMaxOf, runBytesMaxOf } from '../protocol/judge/index.ts';
import {
  expandTemplates,
  type Instance,
  type PipelineFault,
  type Template,
} from '../protocol/pipeline/index.ts';
import { jobFileLimits } from './limits.ts';
import { type JobInFile, jobFileSchema, keysAt, stepOf } from './schema.ts';
import { keyOffsets, offsetOf, tooDeepAt, yamlFaults } from './yaml-faults.ts';

interface Counted extends Template {
  limits: Job['limits'];
  trust: Policy;
}

/** A job document beside its commands, environment and image: source, limits, outputs, the CIDs that it reads. */
const besideTextsBytes = 16 * 1024;

/** The fault where the evidence of a job, with all that it rests on, would not fit into one bundle, which the controller asks of each request. */
function evidenceFault(instances: readonly Instance<Counted>[]): PipelineFault | undefined {
  const bytes = new Map<string, number>();
  const rests = new Map<string, Set<string>>();
  for (const { name, template, needs, image, run, env } of instances) {
    const texts = encodeCanonical({ image, run, env }).length + besideTextsBytes;
    bytes.set(name, runBytesMaxOf(template, texts) + roundBytesMaxOf(template, template.trust));
    const all = new Set([name]);
    for (const { instance } of needs) for (const one of rests.get(instance) ?? []) all.add(one);
    rests.set(name, all);
    const sum = [...all].reduce((total, one) => total + (bytes.get(one) ?? 0), 0);
    if (sum > limits.bundleBytesMax) return tooLarge(template, all.size, sum);
  }
  return undefined;
}

function tooLarge({ name, needs }: Counted, jobs: number, bytes: number): PipelineFault {
  const [size, most] = sizeTexts(bytes, limits.bundleBytesMax);
  return {
    code: 'PIPELINE_TOO_LARGE',
    path: needs.length === 0 ? [name] : [name, 'needs'],
    message: `the evidence of ${jobs === 1 ? 'the job' : `these ${jobs} jobs`} could come to ${size}; at most ${most} are read`,
    hint: 'Each output file is a line in each receipt: say how many a job makes at most (limits: {files: 100}), or ask fewer operators.',
  };
}

/** One job with all defaults filled in. The job document and the request are made from it. */
export interface JobSpec {
  name: string;
  /** Absent for every job that is no test. */
  kind?: Job['kind'];
  image: string;
  run: Job['run'];
  outputs: string[];
  env: Record<string, string>;
  limits: Job['limits'];
  /** Absent for a build without a network. */
  network?: Job['network'];
  /** Absent for a checkout without a git folder. */
  git?: true;
  /** Lock files in the source tree, sorted. Absent for a build without dependencies. */
  dependencies?: string[];
  trust: Policy;
}

/** One job of a file, as it is before its matrix is expanded. */
export interface JobTemplate extends JobSpec, Pick<Template, 'needs' | 'matrix' | 'if'> {}

export interface JobFile {
  /** The jobs after expansion, each after those it needs, otherwise in the order of the file. */
  jobs: JobSpec[];
  /** The template that each of these was made of, in the same order. */
  instances: Instance<JobTemplate>[];
}

function jobOf({ name, template, image, run, env }: Instance<JobTemplate>): JobSpec {
  const { needs: _needs, matrix: _matrix, if: _if, ...rest } = template;
  return { ...rest, name, image, run, env };
}

interface Fault {
  /** `JOBFILE_INVALID` where it is absent. */
  code?: 'JOBFILE_NEWER' | PipelineFault['code'];
  offset: number;
  message: string;
  hint?: string;
  /** A key is missing, often because it is misspelt: any other fault is reported first. */
  missing?: boolean;
}

/** Checks the size of a file before it is read. @throws {QuorateError} `JOBFILE_INVALID` */
export function checkJobFileSize(bytes: number, path: string): void {
  if (bytes <= jobFileLimits.bytesMax) return;
  const [read, most] = sizeTexts(bytes, jobFileLimits.bytesMax);
  const message = `${path} has ${read}; at most ${most} are read`;
  throw new QuorateError('JOBFILE_INVALID', message, {
    hint: 'Move long scripts into files and run those.',
  });
}

/**
 * Parses a job file and expands its jobs. Errors name the first fault: `path:line:column: …`.
 * @throws {QuorateError} `JOBFILE_INVALID`, `JOBFILE_NEWER`, `PIPELINE_…`
 */
export function parseJobFile(text: string, path: string): JobFile {
  const bytes = Buffer.byteLength(text);
  checkJobFileSize(bytes, path);
  const lines = new LineCounter();
  const { document, value, faults } = readYaml(text, lines, path);
  if (faults.length > 0) throw errorOf(faults, lines, path);
  const result = jobFileSchema.safeParse(value);
  if (!result.success) {
    const found = result.error.issues.flatMap((issue) => faultsOf(issue, document));
    throw errorOf(found, lines, path);
  }
  const templates = Object.entries(result.data.jobs).map(([name, job]) => templateOf(name, job));
  const expanded = expandTemplates(templates);
  const told = (faults: readonly PipelineFault[]) => {
    const found = faults.map(({ code, path, message, hint }): Fault => {
      const at = ['jobs', ...path];
      return { code, offset: locate(document, at).offset, message: `${at.join('.')}: ${message}`, hint };
    });
    return errorOf(found, lines, path);
  };
  if ('faults' in expanded) throw told(expanded.faults);
  const tooLarge = evidenceFault(expanded.instances);
  if (tooLarge !== undefined) throw told([tooLarge]);
  return { jobs: expanded.instances.map(jobOf), instances: expanded.instances };
}

function templateOf(
  name: string,
  {
    kind,
    limits: { memory, disk, time, files: asked, ...rest },
    network,
    shell,
    run,
    git,
    dependencies,
    trust,
    ...job
  }: JobInFile,
): JobTemplate {
  // Sorted, and absent when empty: the set is part of the job's id.
  const reached = jobSchema.shape.network.parse(network.length === 0 ? undefined : network.toSorted());
  const files = asked ?? (kind === 'test' ? jobFileLimits.testFilesDefault : limits.outputFilesDefault);
  const bounds = { ...rest, memoryBytes: memory, diskBytes: disk, seconds: time };
  return {
    name,
    ...job,
    run: run.map((step) => stepOf(step, shell)),
    limits: files === limits.outputFilesDefault ? bounds : { ...bounds, files },
    trust: { ...trust, cosign: trust.cosign ?? (kind === 'test' ? 'none' : 'required') },
    ...(kind !== undefined && { kind }),
    ...(reached !== undefined && { network: reached }),
    ...(git && { git }),
    ...(dependencies.length > 0 && { dependencies: dependencies.toSorted() }),
  };
}

/** Longest message of a fault, which may quote the file. */
const messageCharsMax = 400;

/** The error for the first fault. Its message may quote the file, so control characters are removed. */
function errorOf(faults: readonly Fault[], lines: LineCounter, path: string): QuorateError {
  const present = faults.filter(({ missing }) => !missing);
  const told = present.length > 0 ? present : faults;
  const first = told.reduce((a, b) => (b.offset < a.offset ? b : a));
  const { line, col } = lines.linePos(first.offset);
  const message = first.message.slice(0, messageCharsMax).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
  const { code = 'JOBFILE_INVALID', hint } = first;
  return new QuorateError(code, `${path}:${line}:${col}: ${message}`, hint === undefined ? {} : { hint });
}

function readYaml(text: string, lineCounter: LineCounter, path: string) {
  const options = { lineCounter, prettyErrors: false, version: '1.2', uniqueKeys: false } as const;
  const deep = tooDeepAt(text);
  if (deep !== undefined) {
    const line = text.slice(0, deep).split('\n').length;
    const column = deep - text.lastIndexOf('\n', deep - 1);
    const most = `at most ${jobFileLimits.nestingMax} lists and mappings are read within each other`;
    throw new QuorateError('JOBFILE_INVALID', `${path}:${line}:${column}: ${most}`);
  }
  const document = parseDocument(text, options);
  const faults = [...document.errors, ...document.warnings].map(({ code, message, pos }): Fault => {
    const plain = code === 'MULTIPLE_DOCS' ? 'only one YAML document may be in the file' : message;
    return { offset: pos[0], message: plain };
  });
  if (faults.length > 0) return { document, value: undefined, faults };
  try {
    const found = yamlFaults(document);
    if (found.length > 0) return { document, value: undefined, faults: found };
    return { document, value: document.toJS({ maxAliasCount: -1 }), faults };
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    return { document, value: undefined, faults: [{ offset: 0, message }] };
  }
}

function faultsOf(issue: z.core.$ZodIssue, document: Document.Parsed): Fault[] {
  if (issue.code === 'unrecognized_keys') {
    const { node, keyOffset } = locate(document, issue.path);
    const offsets = keyOffsets(node);
    // The first unknown key is reported.
    const at = (key: string): number => offsets.get(key) ?? keyOffset;
    const first = issue.keys.reduce((a, b) => (at(b) < at(a) ? b : a));
    if (issue.path.length === 0 && versionKeys.has(first)) return [ofVersion(first, at(first))];
    return [unknownKey(first, issue.path, at(first))];
  }
  if (issue.code === 'invalid_union') {
    // The faults of the form that was meant: one whose type fits at the top.
    const meant = issue.errors.find(
      (branch) => !branch.some(({ code, path }) => code === 'invalid_type' && path.length === 0),
    );
    if (meant !== undefined)
      return meant.flatMap((inner) => faultsOf({ ...inner, path: [...issue.path, ...inner.path] }, document));
  }
  const { offset, missing } = locate(document, issue.path);
  const message = missing ? 'is missing' : messageOf(issue);
  const where = issue.path.map(String).join('.');
  return [{ offset, message: where === '' ? message : `${where}: ${message}`, missing }];
}

/** No job file has a version yet: one that does is of a newer program. */
const versionKeys: ReadonlySet<string> = new Set(['v', 'version']);

const ofVersion = (key: string, offset: number): Fault => ({
  code: 'JOBFILE_NEWER',
  offset,
  message: `the file says "${key}": it is for a newer Quorate than this one`,
  hint: 'Update Quorate, or leave the key out: this one knows files without a version.',
});

function messageOf(issue: z.core.$ZodIssue): string {
  // The fault of a key itself is one level below.
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message;
  if (issue.code !== 'invalid_type' || !issue.message.startsWith('Invalid input')) return issue.message;
  if (issue.path.length === 0) return 'expected the key "jobs" and the jobs below it';
  if (issue.expected === 'string') return 'expected text; put the value in quotes';
  if (issue.expected === 'array') return 'expected a list: put [ ] around it, or a - before each entry';
  if (issue.expected === 'object' || issue.expected === 'record') return 'expected keys with values';
  return issue.expected === 'int' ? 'expected a whole number' : `expected a ${issue.expected}`;
}

function unknownKey(key: string, path: readonly PropertyKey[], offset: number): Fault {
  const known = keysAt(path);
  const near = nearestWord(key, known);
  const where = path.length === 0 ? '' : `${path.map(String).join('.')}: `;
  return {
    offset,
    message: `${where}unknown key ${JSON.stringify(key.slice(0, 80))}`,
    hint: near === undefined ? `Known here: ${known.join(', ')}.` : `Did you mean "${near}"?`,
  };
}

/** The place of a path: of its value, of its key in a mapping, or of the innermost node that exists. */
function locate(document: Document.Parsed, path: readonly PropertyKey[]) {
  let node: Node | null | undefined = document.contents;
  let offset = offsetOf(node);
  let keyOffset = offset;
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && key.value === step);
      if (pair === undefined) return { node, offset, keyOffset, missing: true };
      node = pair.value as Node | null;
      keyOffset = offsetOf(pair.key);
      offset = isMap(node) || node === null ? keyOffset : offsetOf(node);
    } else if (isSeq(node)) {
      // An entry by its place, or by its value.
      const at =
        typeof step === 'number'
          ? step
          : node.items.findIndex((item) => isScalar(item) && item.value === step);
      node = node.items[at] as Node | undefined;
      offset = node === undefined ? offset : offsetOf(node);
    }
  }
  if (isAlias(node)) node = node.resolve(document);
  return { node, offset, keyOffset, missing: false };
}
