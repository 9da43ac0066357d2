import type { Found } from './entry.ts';
import { invalid, lockFault, type Place, quote } from './fault.ts';
import { parseSha256 } from './integrity.ts';
import { dependencyLimits } from './limits.ts';
import { checkFile, checkName, checkUrl } from './names.ts';

/** One file that `quorate.lock` fixes. */
export interface Fixed {
  /** The package that it is of, as other locks' entries name it; `pkg:generic/NAME` for a file of no package. */
  purl: string;
  file: string;
  sha256: string;
  /** Where it can be fetched, http or https. Absent where the lock of the package says it. */
  url?: string;
}

/** A record of `quorate.lock`, with its line. */
export interface FixedAt extends Fixed {
  at: Place;
}

const header = 'quorate-lock 1';
const generic = 'pkg:generic/';
const purlForm = /^pkg:[a-z]+\/[\x21-\x7e]+$/;

/** `quorate.lock`: a line with the version, then `PURL FILE sha256:HEX [ADDRESS]` for each file, sorted by code units, each once. */
export function parseQuorateLock(text: string, lock: string): FixedAt[] {
  const lines = text.split('\n');
  const top = { lock, line: 1 };
  if (lines[0] !== header) {
    if (/^quorate-lock \d+$/.test(lines[0] ?? '')) {
      throw lockFault(
        'LOCK_UNSUPPORTED',
        top,
        `${quote(lines[0] ?? '')} is a newer format`,
        'Update Quorate.',
      );
    }
    throw invalid(top, `the first line is not ${quote(header)}`);
  }
  if (lines.at(-1) !== '') throw invalid({ lock, line: lines.length }, 'the last line has no end');
  return lines.slice(1, -1).map((line, index) => {
    const at = { lock, line: index + 2 };
    const before = index === 0 ? '' : (lines[index] ?? '');
    if (line <= before) throw invalid(at, 'the lines are not sorted, each once');
    return recordOf(line, at);
  });
}

function recordOf(line: string, at: Place): FixedAt {
  const [purl = '', file = '', hash = '', url, ...rest] = line.split(' ');
  if (rest.length > 0 || !hash.startsWith('sha256:'))
    throw invalid(at, `${quote(line)} is not PURL FILE sha256:HEX, or these and an address`);
  if (!purlForm.test(purl) || purl.length > dependencyLimits.purlCharsMax)
    throw invalid(at, `${quote(purl)} is not a package URL`);
  const sha256 = hash.slice('sha256:'.length);
  parseSha256(sha256, at);
  checkFile(file, at);
  if (purl.startsWith(generic)) checkName('generic', purl.slice(generic.length), at);
  if (purl.startsWith(generic) && url === undefined)
    throw invalid(at, `${quote(purl)} has no address that it can be fetched from`);
  return { purl, file, sha256, at, ...(url !== undefined && { url: checkUrl(url, at) }) };
}

/** The text of `quorate.lock` for these files. */
export function writeQuorateLock(files: readonly Fixed[]): string {
  const lines = files.map(({ purl, file, sha256, url }) =>
    [purl, file, `sha256:${sha256}`, ...(url === undefined ? [] : [url])].join(' '),
  );
  return [header, ...[...new Set(lines)].sort(), ''].join('\n');
}

/** The files of no package. They are dependencies of a job that names `quorate.lock` itself. */
export function genericEntries(records: readonly FixedAt[]): Found[] {
  return records.flatMap(({ purl, file, sha256, url, at }): Found[] => {
    if (url === undefined || !purl.startsWith(generic)) return [];
    const integrity = { algorithm: 'sha256' as const, digests: [sha256] };
    const name = purl.slice(generic.length);
    return [
      { ecosystem: 'generic', name, version: '', purl, file, integrity, origin: { kind: 'url', url }, ...at },
    ];
  });
}
