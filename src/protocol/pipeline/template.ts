import type { Step } from '../documents/step.ts';

/** Level that an input has to have before a job that reads it begins. */
type NeedLevel = 'agreed' | 'trusted';

export interface Need {
  /** Name of a job of the same file. */
  job: string;
  level: NeedLevel;
}

/** Patterns of which one has to match, for each condition that is there. */
export interface Conditions {
  /** Of the ref that is built: its full name, or without `refs/heads/` and `refs/tags/`. */
  ref?: readonly string[] | undefined;
  /** Of the paths that differ from the base. */
  changed?: readonly string[] | undefined;
}

/** A job of a job file, before its matrix is expanded: what this room reads of it. */
export interface Template {
  name: string;
  image: string;
  run: readonly Step[];
  env: Readonly<Record<string, string>>;
  /** In the order of the file. */
  needs: readonly Need[];
  /** Values by key, in the order of the file; empty for a job that is built once. */
  matrix: Readonly<Record<string, readonly string[]>>;
  if: Conditions;
}

/** One job of a pipeline: a template with one value of each key of its matrix. */
export interface Instance<T extends Template = Template> {
  /** Name of the template, with the values of the matrix. */
  name: string;
  template: T;
  /** The value of each key of the matrix. */
  values: Readonly<Record<string, string>>;
  /** The instances it reads, in the order of the pipeline. Their artifacts are at /build/in/<name>. */
  needs: readonly { instance: string; level: NeedLevel }[];
  image: string;
  run: Step[];
  env: Record<string, string>;
}

/** An error in the jobs of a file, with its place: the template's name, then keys below it. */
export interface PipelineFault {
  code: 'PIPELINE_INVALID' | 'PIPELINE_TOO_LARGE';
  path: (string | number)[];
  message: string;
  hint: string;
}
