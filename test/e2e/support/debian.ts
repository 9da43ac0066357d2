import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);
const msMax = 60_000;

/**
 * Unpacks the source of the first of these Debian packages that can be had, below `dir`. It comes from the archives this
 * machine's apt is set up for, read through lists and folders of our own: nothing of the machine is changed.
 */
export async function debianSource(
  packages: readonly string[],
  dir: string,
): Promise<{ name: string; folder: string }> {
  const failures: string[] = [];
  try {
    const options = await privateApt(dir);
    await apt(dir, [...options, 'update']);
    for (const name of packages) {
      try {
        await apt(dir, [...options, 'source', '--download-only', name]);
        const described = (await readdir(dir)).find(
          (file) => file.startsWith(`${name}_`) && file.endsWith('.dsc'),
        );
        await exec('dpkg-source', ['--no-check', '-x', described ?? `${name}.dsc`, name], {
          cwd: dir,
          timeout: msMax,
        });
        return { name, folder: join(dir, name) };
      } catch (error) {
        failures.push(`${name}: ${saying(error)}`);
      }
    }
  } catch (error) {
    failures.push(saying(error));
  }
  throw new Error(
    `This test builds another person's C project, but none of ${packages.join(', ')} can be had from the Debian archives of this machine (apt-get source):\n${failures.join('\n')}`,
  );
}

/** Unpacks the archive of upstream's source that a Debian package carries, without Debian's own files, below `dir`: its folder. */
export async function upstreamSource(name: string, dir: string): Promise<string> {
  const options = await privateApt(dir);
  await apt(dir, [...options, 'update']);
  await apt(dir, [...options, 'source', '--download-only', '--tar-only', name]);
  const archive = (await readdir(dir)).find(
    (file) => file.startsWith(`${name}_`) && file.includes('.orig.tar.'),
  );
  const folder = join(dir, name);
  await mkdir(folder);
  const args = ['-xf', archive ?? `${name}.orig.tar`, '-C', folder, '--strip-components=1'];
  await exec('tar', args, { cwd: dir, timeout: msMax });
  return folder;
}

async function apt(dir: string, args: string[]): Promise<void> {
  await exec('apt-get', ['--quiet', ...args], {
    cwd: dir,
    timeout: msMax,
    env: { ...process.env, LC_ALL: 'C' },
  });
}

/** Lists of source packages instead of binary ones, from the archives that are set up. */
async function privateApt(dir: string): Promise<string[]> {
  const parts = join(dir, 'sources');
  for (const folder of [
    parts,
    join(dir, 'state', 'lists', 'partial'),
    join(dir, 'cache', 'archives', 'partial'),
  ])
    await mkdir(folder, { recursive: true });
  for (const file of await configured()) {
    const text = await readFile(join('/etc/apt', file), 'utf8');
    const sources = file.endsWith('.sources')
      ? text.replaceAll(/^Types:.*$/gm, 'Types: deb-src')
      : text.replaceAll(/^deb\s/gm, 'deb-src ');
    await writeFile(join(parts, file.replaceAll('/', '-')), sources);
  }
  const options = {
    'Dir::Etc::SourceList': '/dev/null',
    'Dir::Etc::SourceParts': parts,
    'Dir::State': join(dir, 'state'),
    'Dir::State::status': '/var/lib/dpkg/status',
    'Dir::Cache': join(dir, 'cache'),
    'Acquire::Languages': 'none',
    'APT::Sandbox::User': userInfo().username,
  };
  return Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
}

async function configured(): Promise<string[]> {
  const more = await readdir('/etc/apt/sources.list.d').catch(() => []);
  const lists = more.filter((file) => /\.(list|sources)$/.test(file)).map((file) => `sources.list.d/${file}`);
  const old = await readFile('/etc/apt/sources.list', 'utf8').catch(() => '');
  return [...lists, ...(old === '' ? [] : ['sources.list'])];
}

/** The cause of a failure, from apt's messages. */
function saying(error: unknown): string {
  const { stderr = '', message = String(error) } = error as { stderr?: string; message?: string };
  const said = stderr.split('\n').filter((line) => line.startsWith('E: '));
  return said.length > 0 ? said.slice(0, 3).join(' ') : message;
}
