import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { registry } from '../../../dependencies/registry.ts';
import { zip } from '../../../dependencies/tools/zip.ts';
import { type LockedProject, lockedJob, publishWith, textsBelow, tool, writeFiles } from './project.ts';

/** Where Debian's `golang-*-dev` packages have the sources of modules. */
const installed = '/usr/share/gocode/src';

/** A module as a proxy has it (go.dev/ref/mod, GOPROXY protocol), of the sources that Debian has. */
async function moduleOf(name: string, version: string): Promise<{ served: Served; bytes: Buffer }> {
  const texts = await textsBelow(join(installed, name), /^(go\.mod|[^/]*(?<!_test)\.go)$/);
  const bytes = zip(
    Object.fromEntries(Object.entries(texts).map(([path, text]) => [`${name}@${version}/${path}`, text])),
  );
  const at = `/${name}/@v/${version}`;
  const served = {
    [`${at}.info`]: Buffer.from(JSON.stringify({ Version: version, Time: '2024-01-01T00:00:00Z' })),
    [`${at}.mod`]: Buffer.from(texts['go.mod'] ?? ''),
    [`${at}.zip`]: bytes,
  };
  return { served, bytes };
}

type Served = Record<string, Buffer>;

const width = 'github.com/mattn/go-runewidth';
const segments = 'github.com/rivo/uniseg';

/**
 * A program of two modules, one of which needs an older version of the other: of that one go reads the go.mod only. `go.sum` by
 * Debian's go, against a module proxy here.
 */
export async function goProject(dir: string): Promise<LockedProject> {
  const [first, second] = [await moduleOf(width, 'v0.0.16'), await moduleOf(segments, 'v0.4.7')];
  const { url } = await registry({
    ...first.served,
    ...second.served,
    [`/${segments}/@v/v0.2.0.mod`]: Buffer.from(`module ${segments}\n\ngo 1.12\n`),
  });
  const files = {
    'go.mod': `module example.org/words\n\ngo 1.21\n\nrequire ${width} v0.0.16\n\nrequire ${segments} v0.4.7 // indirect\n`,
    'main.go': `package main\n\nimport (\n\t"os"\n\t"strconv"\n\n\t"${width}"\n)\n\nfunc main() { os.Stdout.WriteString(strconv.Itoa(runewidth.StringWidth("世界")) + "\\n") }\n`,
  };
  const work = join(dir, 'go');
  await writeFiles(work, files);
  const env = { GOPROXY: url, GOSUMDB: 'off', GOFLAGS: '-modcacherw', GOTOOLCHAIN: 'local' };
  await tool(work, ['go', 'mod', 'tidy'], env);
  publishWith({ GOPROXY: url });
  return {
    files: {
      ...files,
      'go.mod': await readFile(join(work, 'go.mod'), 'utf8'),
      'go.sum': await readFile(join(work, 'go.sum'), 'utf8'),
      'quorate.yaml': lockedJob(['go.sum'], ['go build -o "$OUT/words" .', '"$OUT/words" > "$OUT/said"']),
    },
    dependency: { bytes: first.bytes, named: `v0.0.16.zip of pkg:golang/${width}@v0.0.16` },
    says: '4\n',
  };
}
