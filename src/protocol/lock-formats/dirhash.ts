import { toUtf8 } from '../base/text.ts';
import { sha256Hex } from '../documents/canonical.ts';

/**
 * The `h1:` of go.sum, in hexadecimal: over the files of a module, each with its name in the archive (`MODULE@VERSION/PATH`; of a go.mod
 * alone `go.mod`) and its sha256 in hexadecimal. Undefined where a name cannot be hashed: it holds a line break, or is there twice.
 * Source: golang.org/x/mod/sumdb/dirhash, Hash1.
 */
export function dirhashOf(files: readonly { name: string; sha256: string }[]): string | undefined {
  const sums = new Map(files.map(({ name, sha256 }) => [name, sha256]));
  if (sums.size < files.length || files.some(({ name }) => name.includes('\n'))) return undefined;
  const keyed = [...sums].map(([name, sum]) => ({ name: toUtf8(name), line: `${sum}  ${name}\n` }));
  const lines = keyed.sort((a, b) => compareBytes(a.name, b.name)).map(({ line }) => line);
  return sha256Hex(toUtf8(lines.join('')));
}

/** Go sorts by bytes of UTF-8, JavaScript by UTF-16. */
function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, n) => byte !== b[n]);
  return at === -1 ? a.length - b.length : (a[at] ?? 0) - (b[at] ?? -1);
}
