/** quorate.yaml, the file in which a repository says what to build: text in, plain data with all defaults out. */

export type { JobFileErrorCode } from './error-codes.ts';
export { type ExampleKind, exampleJobFile, exampleKind } from './example.ts';
export { nearestWord } from './nearest-word.ts';
export { checkJobFileSize, type JobFile, type JobSpec, parseJobFile } from './parse.ts';
export { jobFileJsonSchema } from './schema.ts';
