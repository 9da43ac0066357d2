// docs/openapi.json is made from src/http: `node scripts/run.js scripts/openapi.ts --write`. Without --write it is printed.
import { writeFileSync } from 'node:fs';
import { openApi } from '../src/http/openapi.ts';
import { version } from '../src/program.ts';

const text = `${JSON.stringify(openApi(version()), null, 1)}\n`;
if (process.argv.includes('--write')) writeFileSync(new URL('../docs/openapi.json', import.meta.url), text);
else process.stdout.write(text);
