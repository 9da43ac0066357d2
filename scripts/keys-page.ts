// docs/keys.md is made from what test/keys found that each party answers: `node scripts/run.js scripts/keys-page.ts --write`. Without
// --write it prints the page.
import { writeFileSync } from 'node:fs';
import { keysPage } from '../test/keys/page.ts';

if (process.argv.includes('--write')) writeFileSync(new URL('../docs/keys.md', import.meta.url), keysPage());
else process.stdout.write(keysPage());
