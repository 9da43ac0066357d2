import type { Found, Integrity } from './entry.ts';
import { invalid, type Place, quote, unsupported } from './fault.ts';
import { sortedDigests } from './integrity.ts';
import { markerHolds } from './marker.ts';
import { checkName, checkPath, checkUrl, checkVersion, fileOfUrl, purlOf } from './names.ts';
import type { Arch } from './platform.ts';

/** Options that change nothing of which files are needed: quorate.lock has those. */
const harmless =
  /^(?:--require-hashes|--pre|--prefer-binary|(?:--no-binary|--only-binary|--trusted-host)[ =].*|(?:-i|--index-url|--extra-index-url)[ =]?(.*))$/s;

/**
 * The requirements of `requirements.txt` that can hold on Linux of this architecture, each pinned or an address; `quorate.lock` names
 * the file of a version. `listed`: all lock files of the job, to which an included file has to belong.
 */
export function parseRequirements(
  text: string,
  lock: string,
  arch: Arch,
  listed: ReadonlySet<string>,
): Found[] {
  return logicalLines(text, lock).flatMap(({ line, at }): Found[] => {
    if (line.startsWith('-')) {
      checkOption(line, at, listed);
      return [];
    }
    const found = requirementOf(line, at, arch);
    return found === undefined ? [] : [found];
  });
}

/** Lines with those that a backslash continues, without comments, each with its first line's number. */
function logicalLines(text: string, lock: string): { line: string; at: Place }[] {
  const found: { line: string; at: Place }[] = [];
  let open: { parts: string[]; at: Place } | undefined;
  const close = () => {
    const line = open?.parts.join(' ').replace(/ +/g, ' ').trim() ?? '';
    if (open !== undefined && line !== '') found.push({ line, at: open.at });
    open = undefined;
  };
  text.split(/\r?\n/).forEach((raw, index) => {
    // Runs of white space first: what searches behind them takes time with the square of their length.
    const line = raw.replace(/[ \t]+/g, ' ').replace(/(?:^| )#.*$/s, '');
    open ??= { parts: [], at: { lock, line: index + 1 } };
    const goesOn = line.endsWith('\\');
    open.parts.push(goesOn ? line.slice(0, -1) : line);
    if (!goesOn) close();
  });
  close();
  return found;
}

function checkOption(line: string, at: Place, listed: ReadonlySet<string>): void {
  const known = harmless.exec(line);
  if (known !== null) {
    const index = known[1]?.trim() ?? '';
    if (index !== '') checkUrl(index, at);
    return;
  }
  const included = /^(?:-r|--requirement)[ =]?(.*)$/s.exec(line)?.[1]?.trim();
  if (included === undefined)
    throw unsupported(at, `the option ${quote(line)}`, 'List what it stands for, each with its version.');
  const path = checkPath(included, at);
  if (!listed.has(path))
    throw unsupported(at, `a file that is included, ${quote(path)},`, 'List it among the dependencies too.');
}

const requirement =
  /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)[ \t]*(?:\[[A-Za-z0-9._ ,-]*\])?[ \t]*(?:===?[ \t]*([^\s;,]+)|@[ \t]*(\S+))[ \t]*(?:;(.*))?$/s;

function requirementOf(line: string, at: Place, arch: Arch): Found | undefined {
  const [spec = '', ...options] = line.split(/ (?=--)/);
  if (/^(?:\.|\/|file:)/.test(spec) || /^[^\s;@]*\//.test(spec)) {
    checkPath(spec.replace(/^file:/, '').replace(/[ \t;[].*$/s, ''), at);
    return undefined;
  }
  const [, given = '', version, url, marker] = requirement.exec(spec) ?? [];
  if (given === '') throw invalid(at, `${quote(spec)} is not pinned: NAME==VERSION, or NAME @ ADDRESS`);
  if (marker !== undefined && !markerHolds(marker, arch, at)) return undefined;
  // As PEP 503 has it.
  const name = checkName('pypi', given.toLowerCase().replace(/[-_.]+/g, '-'), at);
  const integrity = hashesOf(options, at);
  const common = { ecosystem: 'pypi' as const, name, ...at };
  return url === undefined
    ? { ...common, ...pinned(name, version ?? '', integrity, at) }
    : { ...common, ...direct(name, url, integrity, at) };
}

type Rest = Pick<Found, 'version' | 'purl' | 'file' | 'integrity' | 'lacks' | 'origin'>;

function pinned(name: string, version: string, integrity: Integrity | undefined, at: Place): Rest {
  checkVersion(version, at);
  return {
    version,
    purl: purlOf('pypi', name, version),
    origin: { kind: 'registry' },
    lacks: 'a version has several files, and the lock does not say which is meant',
    ...(integrity !== undefined && { integrity }),
  };
}

function direct(name: string, url: string, integrity: Integrity | undefined, at: Place): Rest {
  if (/^[a-z]+\+/.test(url))
    throw unsupported(
      at,
      'a requirement from a repository',
      'pip takes none of them with hashes: name an archive.',
    );
  const [address = '', fragment = ''] = url.split('#', 2);
  checkUrl(address, at);
  const hash = integrity ?? hashesOf([fragment.replace(/^sha256=/, '--hash=sha256:')], at);
  return {
    version: '',
    origin: { kind: 'url', url: address },
    purl: purlOf('pypi', name, '', { download_url: address }),
    file: fileOfUrl(address),
    ...(hash === undefined ? { lacks: 'it has no sha256' } : { integrity: hash }),
  };
}

/** The sha256 of each file that is allowed. Other algorithms do not count; undefined where there is none. */
function hashesOf(options: readonly string[], at: Place): Integrity | undefined {
  const digests = options.flatMap((option): string[] => {
    const text = option.trim();
    if (text === '' || /^(?:--config-settings|--global-option)[ =]/.test(text)) return [];
    const [, algorithm, hex = ''] = /^--hash[= ]([a-z0-9]+):(\S*)$/.exec(text) ?? [];
    if (algorithm === undefined) throw invalid(at, `${quote(text)} is not an option of a requirement`);
    if (algorithm !== 'sha256') return [];
    if (!/^[0-9a-f]{64}$/.test(hex)) throw invalid(at, `${quote(hex)} is not a sha256 in hexadecimal`);
    return [hex];
  });
  return digests.length === 0 ? undefined : { algorithm: 'sha256', digests: sortedDigests(digests) };
}
