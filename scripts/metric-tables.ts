// The tables of metrics in docs/operations.md are made from the code: `node scripts/run.js scripts/metric-tables.ts --write`
// puts them there. Without --write it prints the page.
import { readFileSync, writeFileSync } from 'node:fs';
import { metricsPage, withMetrics } from '../test/http/metric-tables.ts';

const page = new URL(`../${metricsPage}`, import.meta.url);
const text = withMetrics(readFileSync(page, 'utf8'));
if (process.argv.includes('--write')) writeFileSync(page, text);
else process.stdout.write(text);
