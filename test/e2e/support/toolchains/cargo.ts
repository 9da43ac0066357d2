import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { registry } from '../../../dependencies/registry.ts';
import { archive, hex } from '../../../dependencies/tools/support.ts';
import { type LockedProject, lockedJob, publishWith, textsBelow, tool, writeFiles } from './project.ts';

/** Where Debian's `librust-*-dev` packages have the sources of crates. */
const installed = '/usr/share/cargo/registry';

interface Crate {
  name: string;
  version: string;
  bytes: Buffer;
  /** Its line in a registry's index. */
  line: string;
}

/** A crate as a registry has it, of the sources that Debian has. */
async function crateOf(name: string): Promise<Crate> {
  const folder = (await readdir(installed)).find((one) => one.replace(/-\d[^-]*$/, '') === name) ?? name;
  const version = folder.slice(name.length + 1);
  const dir = join(installed, folder);
  const texts = await textsBelow(dir, /^(Cargo\.toml|(src|benches|tests|examples)\/.*\.rs|[A-Z]+[^/]*)$/);
  const bytes = await archive(
    Object.entries(texts).map(([path, content]) => ({ name: `${folder}/${path}`, content })),
  );
  const manifest = parse(await readFile(join(dir, 'Cargo.toml'), 'utf8')) as unknown as Manifest;
  return { name, version, bytes, line: indexLine(manifest, hex('sha256', bytes)) };
}

interface Manifest {
  package: { name: string; version: string };
  dependencies?: Record<string, string | Requirement>;
  features?: Record<string, string[]>;
}
interface Requirement {
  version: string;
  features?: string[];
  optional?: boolean;
  'default-features'?: boolean;
}

/** Cargo book, Registry Index, JSON schema. */
function indexLine({ package: { name, version }, dependencies = {}, features = {} }: Manifest, sum: string) {
  const deps = Object.entries(dependencies).map(([dependency, given]) => {
    const wanted = typeof given === 'string' ? { version: given } : given;
    return {
      name: dependency,
      req: wanted.version,
      features: wanted.features ?? [],
      kind: 'normal',
      optional: wanted.optional ?? false,
      default_features: wanted['default-features'] ?? true,
      target: null,
      registry: null,
      package: null,
    };
  });
  return `${JSON.stringify({ name, vers: version, deps, cksum: sum, features, yanked: false })}\n`;
}

/** A program of two crates, one of which needs the other; `Cargo.lock` by Debian's cargo, against a sparse registry here. */
export async function cargoProject(dir: string): Promise<LockedProject> {
  const crates = await Promise.all(['either', 'itertools'].map(crateOf));
  const served: Record<string, Buffer> = {};
  for (const { name, version, bytes, line } of crates) {
    served[`/index/${name.slice(0, 2)}/${name.slice(2, 4)}/${name}`] = Buffer.from(line);
    served[`/crates/${name}/${version}.crate`] = bytes;
  }
  const config = Buffer.alloc(0);
  served['/index/config.json'] = config;
  const { url } = await registry(served);
  served['/index/config.json'] = Buffer.from(
    JSON.stringify({ dl: `${url}/crates/{crate}/{version}.crate`, api: url }),
  );
  const home = join(dir, 'cargo-home');
  const source = `[source.crates-io]\nreplace-with = "here"\n[source.here]\nregistry = "sparse+${url}/index/"\n`;
  await writeFiles(home, { 'config.toml': source });
  const files = {
    'Cargo.toml':
      '[package]\nname = "words"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\nitertools = "0.13"\n',
    'src/main.rs':
      'use itertools::Itertools;\nfn main() { println!("{}", ["b", "c", "a"].iter().sorted().join(" ")); }\n',
  };
  const work = join(dir, 'cargo');
  await writeFiles(work, files);
  await tool(work, ['cargo', 'generate-lockfile'], { CARGO_HOME: home });
  publishWith({ CARGO_HOME: home });
  const [, itertools] = crates as [Crate, Crate];
  return {
    files: {
      ...files,
      'Cargo.lock': await readFile(join(work, 'Cargo.lock'), 'utf8'),
      'quorate.yaml': lockedJob(
        ['Cargo.lock'],
        [
          'cargo build --release --locked --offline',
          'cp target/release/words "$OUT/words"; ./target/release/words > "$OUT/said"',
        ],
      ),
    },
    dependency: {
      bytes: itertools.bytes,
      named: `itertools-${itertools.version}.crate of pkg:cargo/itertools@${itertools.version}`,
    },
    says: 'a b c\n',
  };
}
