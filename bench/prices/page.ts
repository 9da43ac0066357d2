import { readFile, writeFile } from 'node:fs/promises';

const page = new URL('../../docs/performance.md', import.meta.url);

/** Puts a table between its marks in docs/performance.md, with PRICES=write in the environment; else prints it. */
export async function show(name: string, table: string): Promise<void> {
  process.stderr.write(`\n${table}\n`);
  if (process.env['PRICES'] !== 'write') return;
  const [begin, end] = [`<!-- prices: ${name} -->`, '<!-- end -->'];
  const text = await readFile(page, 'utf8');
  const at = text.indexOf(begin);
  if (at === -1) throw new Error(`docs/performance.md has no ${begin}`);
  const rest = text.slice(text.indexOf(end, at));
  await writeFile(page, `${text.slice(0, at)}${begin}\n${table}\n${rest}`);
}
