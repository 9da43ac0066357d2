import type { Found } from './entry.ts';
import { invalid, quote } from './fault.ts';
import { base64ToHex } from './integrity.ts';
import { checkName, checkVersion, purlOf } from './names.ts';

/**
 * The modules of `go.sum` or `go.work.sum`: for each line the archive of a module, or its go.mod. go.sum may name more than one build
 * needs, and all of it is taken: which modules that are depends on the version of Go.
 * Throws `LOCK_INVALID`.
 */
export function parseGoSum(text: string, lock: string): Found[] {
  return text.split(/\r?\n/).flatMap((line, index): Found[] => {
    if (line.trim() === '') return [];
    const at = { lock, line: index + 1 };
    const [name = '', full = '', hash = '', ...rest] = line.trim().split(/[ \t]+/);
    if (hash === '' || rest.length > 0) throw invalid(at, `${quote(line)} is not MODULE VERSION HASH`);
    checkName('go', name, at);
    const version = checkVersion(full.replace(/\/go\.mod$/, ''), at);
    if (!version.startsWith('v')) throw invalid(at, `${quote(version)} is not a version of a module`);
    const hex = hash.startsWith('h1:') ? base64ToHex(hash.slice('h1:'.length)) : undefined;
    if (hex?.length !== 64) throw invalid(at, `${quote(hash)} is not a hash of go.sum`);
    return [
      {
        ecosystem: 'go',
        ...{ name, version },
        purl: purlOf('golang', name, version),
        file: `${version}.${full === version ? 'zip' : 'mod'}`,
        integrity: { algorithm: 'dirhash', digests: [hex] },
        locked: hash,
        origin: { kind: 'registry' },
        ...at,
      },
    ];
  });
}
