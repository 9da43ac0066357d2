import { posix } from 'node:path';
import { roles } from './arrows.ts';
import { type Ast, type Finding, isAst, isCode, lineAt, type Source, treeOf, walk } from './source.ts';

const product = /^(src|sandbox|bootstrap)\//;

/** The folder that a limit can live in: rooms of these folders have limits of their own. */
const divided = [...roles, 'src/protocol', 'src/node', 'src/execution'];

function homeOf(path: string): string {
  // The sessions of all roles share one table: its times are relations between the two ends of a conversation.
  const parts = posix.dirname(path.replace(/^src\/[a-z-]+\/sessions\//, 'src/protocol/sessions/')).split('/');
  const depth = divided.includes(`src/${parts[1]}`) ? 3 : 2;
  return parts.slice(0, parts[0] === 'src' ? depth : 1).join('/');
}

interface Limit {
  table: string;
  key: string;
  path: string;
  line: number;
}

/** The entries of each `limits.ts`. */
function limitsIn(source: Source): Limit[] {
  const found: Limit[] = [];
  walk(treeOf(source), (node: Ast) => {
    if (node.type !== 'VariableDeclarator' || !isAst(node.id) || !isAst(node.init)) return;
    const table = String(node.id.name);
    const object = isAst(node.init.expression) ? node.init.expression : node.init;
    if (!Array.isArray(object.properties)) return;
    for (const property of object.properties.filter(isAst)) {
      if (isAst(property.key))
        found.push({
          table,
          key: String(property.key.name),
          path: source.path,
          line: lineAt(source.text, property.start),
        });
    }
  });
  return found;
}

/** `meshLimits.dialMs`, under another name where it is imported so, or taken apart: `const { dialMs } = meshLimits`. */
function uses({ text }: Source, { table, key }: Limit): boolean {
  if (!text.includes(key)) return false;
  const name = new RegExp(`\\b${table} as (\\w+)`).exec(text)?.[1] ?? table;
  return new RegExp(`(?<![\\w.#])${name}\\.${key}\\b|\\b${key}\\b[^}]*\\} = ${name};`).test(text);
}

/** A limit bounds something, and lives with the only folder that uses it. */
export function limits(sources: readonly Source[]): Finding[] {
  const code = sources.filter(({ path }) => isCode(path) && product.test(path));
  const tables = code.filter(({ path }) => posix.basename(path) === 'limits.ts');
  const others = code.filter(({ path }) => posix.basename(path) !== 'limits.ts');
  const all = tables.flatMap(limitsIn);
  const naming = new Map(
    [...new Set(all.map(({ table }) => table))].map((table) => [
      table,
      others.filter(({ text }) => text.includes(table)),
    ]),
  );
  return all.flatMap((limit) => {
    const users = [
      ...new Set(
        naming.get(limit.table)?.flatMap((source) => (uses(source, limit) ? homeOf(source.path) : [])),
      ),
    ];
    const { table, key, path, line } = limit;
    const [only] = users;
    if (users.length > 1 || only === homeOf(path)) return [];
    const message =
      only === undefined
        ? `nothing uses ${table}.${key}`
        : `only ${only} uses ${table}.${key}: it belongs there`;
    return [{ rule: 'limits', path, line, message }];
  });
}
