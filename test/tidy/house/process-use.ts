import { type Finding, importsOf, isCode, lineAt, membersOf, type Source } from './source.ts';

const reserved = ['exit', 'exitCode', 'abort', 'reallyExit', 'env', 'chdir'];
const kept = ['src/', 'sandbox/', 'bootstrap/', 'simulations/'];
/** Programs: they begin and end a process, so they may read its environment and choose how it ends. */
const programs = ['src/cli/', 'sandbox/tool/tunnel.ts', 'bootstrap/main.ts', 'simulations/main.ts'];

/** Only programs end the process or read its environment: everything else takes arguments and throws. */
export function processUse(source: Source): Finding[] {
  if (!isCode(source.path) || !kept.some((folder) => source.path.startsWith(folder))) return [];
  if (programs.some((program) => source.path.startsWith(program))) return [];
  const found = membersOf(source)
    .filter(({ object, property }) => object === 'process' && reserved.includes(property))
    .map(({ property, offset }) => ({ name: property, offset }));
  for (const { specifier, names, offset } of importsOf(source)) {
    if (specifier !== 'node:process' && specifier !== 'process') continue;
    found.push(...names.filter((name) => reserved.includes(name)).map((name) => ({ name, offset })));
  }
  return found.map(({ name, offset }) => ({
    rule: 'process-use',
    path: source.path,
    line: lineAt(source.text, offset),
    message: `process.${name} belongs to src/cli: take an argument, or throw`,
  }));
}
