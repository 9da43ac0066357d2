/** The job file `quorate.yaml`: parses its text into plain data with all defaults filled in. */

export type { JobFileErrorCode } from './error-codes.ts';
export { exampleFrom, exampleJobFile, unguessedWords } from './example.ts';
export { fromForeign } from './foreign/index.ts';
export {
  checkJobFileSize,
  type JobFile,
  type JobSpec,
  type JobTemplate,
  parseJobFile,
} from './parse.ts';
export { jobFileJsonSchema } from './schema.ts';
export { type Tool, toolsOf } from './tools.ts';
