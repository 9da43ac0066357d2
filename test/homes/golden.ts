import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

const archiveBytesMax = 64 << 20;
/** Bundles are in the archive several times, which a window of 2 MiB finds. */
const params = {
  [constants.ZSTD_c_compressionLevel]: 19,
  [constants.ZSTD_c_enableLongDistanceMatching]: 1,
  [constants.ZSTD_c_windowLog]: 21,
};
export const goldenFolder = join(import.meta.dirname, '..', 'vectors', 'homes');

/** Homes of all kinds of node as one version left them: `<n>.tar.zst`, and beside it `<n>.json`. Neither is ever written again. */
export interface GoldenHomes {
  n: number;
  /** By kind of file. */
  formats: Record<string, string>;
  /** As the version that made them read them. */
  content: unknown;
}

export function goldenHomes(folder = goldenFolder): GoldenHomes[] {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];
  return names
    .map((name) => ({
      n: Number.parseInt(name, 10),
      ...(JSON.parse(readFileSync(join(folder, name), 'utf8')) as Omit<GoldenHomes, 'n'>),
    }))
    .sort((a, b) => a.n - b.n);
}

/** A copy of them in a new folder. */
export async function unpack(n: number, folder = goldenFolder): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-homes-'));
  const tar = zstdDecompressSync(readFileSync(join(folder, `${n}.tar.zst`)), {
    maxOutputLength: archiveBytesMax,
  });
  execFileSync('tar', ['-x', '-C', dir], { input: tar });
  return dir;
}

/** Writes the next ones, unless the newest are of the same formats. Returns their number. */
export async function addGolden(
  left: string,
  { formats, content }: Omit<GoldenHomes, 'n'>,
  folder = goldenFolder,
): Promise<number | undefined> {
  const newest = goldenHomes(folder).at(-1);
  if (newest !== undefined && isDeepStrictEqual(newest.formats, formats)) return undefined;
  await mkdir(folder, { recursive: true });
  const n = (newest?.n ?? 0) + 1;
  const plain = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mtime=@0'];
  const tar = execFileSync('tar', [...plain, '--exclude=.git', '-C', left, '-c', '.'], {
    maxBuffer: archiveBytesMax,
  });
  writeFileSync(join(folder, `${n}.tar.zst`), zstdCompressSync(tar, { params }), { flag: 'wx' });
  const text = `${JSON.stringify({ formats, content }, null, 2)}\n`;
  writeFileSync(join(folder, `${n}.json`), text, { flag: 'wx' });
  return n;
}
