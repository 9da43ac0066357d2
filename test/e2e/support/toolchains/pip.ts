import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { registry } from '../../../dependencies/registry.ts';
import { hex } from '../../../dependencies/tools/support.ts';
import { wheel } from '../../../dependencies/tools/wheel.ts';
import { type LockedProject, lockedJob, publishWith, tool, writeFiles } from './project.ts';

interface Report {
  install: {
    metadata: { name: string; version: string };
    download_info: { archive_info: { hashes: { sha256: string } } };
  }[];
}

/** A program of two wheels, one of which needs the other; `requirements.txt`, which leaves the files open, of what Debian's pip resolves from an index here. */
export async function pipProject(dir: string): Promise<LockedProject> {
  const wheels = {
    greeting: wheel('greeting', '1.1', 'hello', 'place>=2'),
    place: wheel('place', '2.0', 'world'),
  };
  const [served, versions]: [Record<string, Buffer>, Record<string, string>] = [
    {},
    { greeting: '1.1', place: '2.0' },
  ];
  for (const [name, bytes] of Object.entries(wheels)) {
    const filename = `${name}-${versions[name]}-py3-none-any.whl`;
    served[`/files/${filename}`] = bytes;
    const listed = { filename, url: `../../files/${filename}`, hashes: { sha256: hex('sha256', bytes) } };
    served[`/simple/${name}/`] = Buffer.from(
      JSON.stringify({ meta: { 'api-version': '1.0' }, name, files: [listed] }),
    );
  }
  const { url } = await registry(served);
  const index = `${url}/simple`;
  const work = join(dir, 'pip');
  await writeFiles(work, {});
  const pip = ['pip', 'install', '--dry-run', '--ignore-installed', '--break-system-packages'];
  const env = { PIP_CONFIG_FILE: '/dev/null', PIP_INDEX_URL: index };
  await tool(dir, [...pip, '--no-cache-dir', '--quiet', '--report', 'pip.json', 'greeting'], env);
  const { install } = JSON.parse(await readFile(join(dir, 'pip.json'), 'utf8')) as Report;
  publishWith({ PIP_INDEX_URL: index });
  return {
    files: {
      'requirements.txt': install
        .map(({ metadata: { name, version }, download_info: { archive_info } }) => {
          return `${name}==${version} --hash=sha256:${archive_info.hashes.sha256}\n`;
        })
        .join(''),
      'main.py': 'import greeting, place\nprint(greeting.says, place.says)\n',
      'quorate.yaml': lockedJob(
        ['requirements.txt'],
        [
          'pip install --no-index --require-hashes --no-compile --target "$OUT/lib" -r requirements.txt',
          'PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$OUT/lib" python3 main.py > "$OUT/said"',
        ],
      ),
    },
    dependency: { bytes: wheels.place, named: 'place-2.0-py3-none-any.whl of pkg:pypi/place@2.0' },
    says: 'hello world\n',
  };
}
