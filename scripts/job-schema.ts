// The JSON Schemas in docs/ are made from the code that reads those files: `node scripts/job-schema.ts --write`.
// Without --write it prints them.
import { writeFileSync } from 'node:fs';
import { workerFileJsonSchema } from '../src/cli/worker-file.ts';
import { jobFileJsonSchema } from '../src/jobfile/index.ts';

const schemas = { 'quorate.schema.json': jobFileJsonSchema(), 'worker.schema.json': workerFileJsonSchema() };
for (const [name, schema] of Object.entries(schemas)) {
  const text = `${JSON.stringify(schema, null, 2)}\n`;
  if (process.argv.includes('--write')) writeFileSync(new URL(`../docs/${name}`, import.meta.url), text);
  else process.stdout.write(text);
}
