import { parse, type TomlError } from 'smol-toml';
import type { Found, Origin } from './entry.ts';
import { invalid, type Place, quote, unsupported } from './fault.ts';
import { parseSha256 } from './integrity.ts';
import { dependencyLimits } from './limits.ts';
import { checkName, checkUrl, checkVersion, purlOf } from './names.ts';

/** The crates of `Cargo.lock` 3 and 4. Packages of the source tree are no entries. */
export function parseCargo(text: string, lock: string): Found[] {
  const top = { lock, line: 1 };
  const { version, package: packages = [] } = tomlOf(text, top);
  if (version !== 3 && version !== 4) {
    const what = version === undefined ? 'version 1 or 2 of Cargo.lock' : 'this version of Cargo.lock';
    throw unsupported(top, what, 'Cargo 1.53 or newer writes version 3 or 4.');
  }
  if (!Array.isArray(packages)) throw invalid(top, '"package" is not a list');
  const lines = headerLines(text);
  if (lines.length !== packages.length) throw invalid(top, 'not written as Cargo writes it');
  return packages.flatMap((one: unknown, index) => foundOf(one, { lock, line: lines[index] ?? 1 }) ?? []);
}

/** Lines of the packages, from 1. */
function headerLines(text: string): number[] {
  return text.split('\n').flatMap((line, index) => (line.trimEnd() === '[[package]]' ? [index + 1] : []));
}

function tomlOf(text: string, top: Place): Record<string, unknown> {
  try {
    return parse(text, { maxDepth: dependencyLimits.depthMax });
  } catch (error) {
    // The parser throws no other errors.
    const { line, message } = error as TomlError;
    throw invalid({ ...top, line }, `not TOML: ${quote(message.split('\n')[0] ?? '')}`);
  }
}

function foundOf(one: unknown, at: Place): Found | undefined {
  const { name, version, source, checksum } = Object(one) as Record<string, unknown>;
  if (typeof name !== 'string' || typeof version !== 'string')
    throw invalid(at, 'a package has no name or version');
  checkName('cargo', name, at);
  checkVersion(version, at);
  // A package of the source tree.
  if (source === undefined) return undefined;
  if (typeof source !== 'string') throw invalid(at, `the source of ${quote(name)} is not text`);
  if (checksum !== undefined && typeof checksum !== 'string')
    throw invalid(at, `the checksum of ${quote(name)} is not text`);
  const origin = originOf(source, at);
  return {
    ecosystem: 'cargo',
    name,
    version,
    origin,
    purl: purlOf('cargo', name, version, qualifiersOf(origin)),
    file: `${name}-${version}.crate`,
    ...(checksum === undefined
      ? { lacks: origin.kind === 'git' ? 'a git dependency has no hash of a file' : 'it has no checksum' }
      : { integrity: parseSha256(checksum, at), locked: checksum }),
    ...at,
  };
}

function qualifiersOf(origin: Origin): Record<string, string> {
  if (origin.kind === 'git') return { vcs_url: `git+${origin.url}@${origin.commit}` };
  const registry = origin.kind === 'registry' ? origin.registry : undefined;
  return registry === undefined ? {} : { repository_url: registry };
}

/** `registry+URL`, `sparse+URL`, or `git+URL?branch=…#COMMIT`. */
function originOf(source: string, at: Place): Origin {
  const [, kind, address = ''] = /^(registry|sparse|git)\+(.*)$/s.exec(source) ?? [];
  if (kind === undefined) throw invalid(at, `${quote(source)} is not a source of packages`);
  if (kind !== 'git') {
    checkUrl(address, at);
    // The index of cargo's own registry, at whichever host.
    if (address.endsWith('/crates.io-index')) return { kind: 'registry' };
    return { kind: 'registry', registry: kind === 'sparse' ? source : address };
  }
  const [, url = '', commit] = /^([^?#]*)(?:\?[^#]*)?#([0-9a-f]{40}|[0-9a-f]{64})$/.exec(address) ?? [];
  if (commit === undefined) throw invalid(at, `${quote(source)} names no commit`);
  checkUrl(url.replace(/^ssh:\/\/git@/, 'https://'), at);
  return { kind: 'git', url, commit };
}
