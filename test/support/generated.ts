import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { shapesOf } from '../../src/cli/command-shapes.ts';
import { publishedSchemas } from '../../src/cli/json/outputs.ts';
import { manPages } from '../../src/cli/man-pages.ts';
import { createProgram } from '../../src/cli/program.ts';
import { openApi } from '../../src/http/openapi.ts';
import { jobFileJsonSchema } from '../../src/jobfile/index.ts';
import { version } from '../../src/program.ts';
import { workerFileJsonSchema } from '../../src/worker/commands/worker-file.ts';
import { metricsPage } from '../http/metric-tables.ts';
import { keysPage } from '../keys/page.ts';
import { parityPage } from '../sandbox/parity.ts';
import { declaredCodes, errorsPageOf } from '../tidy/house/error-codes.ts';
import { root } from '../tidy/house/source.ts';
import { knobPage, withKnobs } from '../worker/knob-tables.ts';

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const json = (value: object, indent: number): string => `${JSON.stringify(value, null, indent)}\n`;
const into = (folder: string, files: ReadonlyMap<string, string>) =>
  [...files].map(([name, text]) => [`${folder}/${name}`, text] as const);

/** Every command, as the man pages and the completion scripts have it. */
export const commandShapes = () => shapesOf(createProgram(new AbortController().signal, () => {}));

/** The files that the build makes from the code, by their path from the root of the repository. */
export function builtFiles(): Map<string, string> {
  const codes = globSync('{src,sandbox,bootstrap}/**/error-codes.ts', { cwd: root });
  return new Map([
    ...into('dist/man', manPages(commandShapes(), version())),
    ...into('dist/docs/schemas', publishedSchemas()),
    ['dist/docs/openapi.json', json(openApi(version()), 1)],
    ['dist/docs/errors.md', errorsPageOf(declaredCodes(codes.map((path) => ({ path, text: read(path) }))))],
    ['dist/docs/keys.md', keysPage()],
    ['dist/docs/metrics.md', metricsPage()],
    ['dist/docs/tiers.md', parityPage()],
  ]);
}

/** The files in docs/ that are made from the code, or have a table that is, by their path. */
export function committedFiles(): Map<string, string> {
  return new Map([
    ['docs/quorate.schema.json', json(jobFileJsonSchema(), 2)],
    ['docs/worker.schema.json', json(workerFileJsonSchema(), 2)],
    [knobPage, withKnobs(read(knobPage))],
  ]);
}
