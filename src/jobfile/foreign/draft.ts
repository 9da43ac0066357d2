import { stringify } from 'yaml';
import { escapeLine } from '../../protocol/base/escape.ts';
import type { Finding } from './reading.ts';

/** A step that is to be written. `todo`: comments above it. */
export interface DraftStep {
  name?: string;
  run: string;
  allowFailure?: boolean;
  /** It is written as a comment. */
  isLeftOut?: boolean;
  todo: Finding[];
}

export interface DraftJob {
  name: string;
  isTest: boolean;
  /** A test that others need: without an output it passes for them only if the trusted worker signs. */
  cosigned?: true;
  shell: 'sh' | 'bash';
  needs: string[];
  matrix: Record<string, string[]>;
  refs: string[];
  env: Record<string, string>;
  dependencies: string[];
  minutes?: number;
  steps: DraftStep[];
  todo: Finding[];
}

const wordsMax = 400;

const comment = ({ line, what, says }: Finding): string =>
  `# OPEN line ${line}: ${what}: ${escapeLine(says, wordsMax)}`;

/** The file. `path`: of the one that it is made of, for its first line. */
export function writeDraft(path: string, jobs: readonly DraftJob[], todo: readonly Finding[]): string {
  const lines = [
    `# Made of ${escapeLine(path, 200)} by quorate init --from. What is marked OPEN has no counterpart, or none that is certain.`,
    '# Every job runs from a clean checkout of one commit, without a network. All keys: docs/steps.md and docs/pipelines.md of Quorate.',
    ...todo.map(comment),
    'jobs:',
    ...jobs.flatMap((job) => jobLines(job).map((line) => (line === '' ? '' : `  ${line}`))),
  ];
  return `${lines.join('\n')}\n`;
}

function jobLines(job: DraftJob): string[] {
  const { name, isTest, cosigned, shell, needs, matrix, refs, env, dependencies, minutes, steps, todo } = job;
  const keys = {
    ...(isTest && { kind: 'test' }),
    ...(cosigned && { trust: { cosign: 'required' } }),
    ...(needs.length > 0 && { needs }),
    ...(refs.length > 0 && { if: { ref: refs } }),
    ...(Object.keys(matrix).length > 0 && { matrix }),
    ...(shell === 'bash' && { shell }),
    ...(Object.keys(env).length > 0 && { env }),
    ...(dependencies.length > 0 && { dependencies }),
    ...(minutes !== undefined && { limits: { time: `${minutes}m` } }),
  };
  return [
    ...todo.map(comment),
    `${stringify(name).trim()}:`,
    ...indented([
      ...(Object.keys(keys).length === 0 ? [] : yamlLines(keys)),
      'run:',
      ...indented(steps.flatMap(stepLines)),
    ]),
  ];
}

function stepLines({ name, run, allowFailure, isLeftOut, todo }: DraftStep): string[] {
  const step =
    name === undefined && allowFailure !== true
      ? run
      : { ...(name !== undefined && { name }), run, ...(allowFailure && { allow_failure: true }) };
  const lines = yamlLines([step]);
  return [...todo.map(comment), ...(isLeftOut ? lines.map((line) => `# ${line}`) : lines)];
}

const yamlLines = (value: unknown): string[] =>
  stringify(value, { lineWidth: 0, collectionStyle: 'any' }).trimEnd().split('\n');

const indented = (lines: readonly string[]): string[] =>
  lines.map((line) => (line === '' ? '' : `  ${line}`));
