// docs/quorate.schema.json is made from the code that reads job files: `node scripts/job-schema.ts --write`.
// Without --write it prints the schema.
import { writeFileSync } from 'node:fs';
import { jobFileJsonSchema } from '../src/jobfile/index.ts';

const text = `${JSON.stringify(jobFileJsonSchema(), null, 2)}\n`;
if (process.argv.includes('--write')) {
  writeFileSync(new URL('../docs/quorate.schema.json', import.meta.url), text);
} else {
  process.stdout.write(text);
}
