// Makes the programs as a package has them, each with all it needs, next to the notices of whose work is in them:
// `node scripts/bundle.js [FOLDER]`. One file is found and read faster than two thousand, and installs nothing else.
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { notices } from './notices.js';
import { oneLanguage } from './one-language.js';
import { makeVerifyPage } from './verify-page.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const programs = {
  quorate: 'src/cli/main.ts',
  bootstrap: 'bootstrap/main.ts',
  index: 'src/index.ts',
  // Threads that programs start, from the folder that they lie in.
  'lock-thread': 'src/dependencies/thread/lock-thread.ts',
  'sbom-thread': 'src/controller/node/sbom-thread.ts',
  'test-report-thread': 'src/controller/node/test-report-thread.ts',
};
/** Packages that are no ES modules ask for Node's own ones like this. */
const requireForThem = `import { createRequire as bundledRequire } from 'node:module';
const require = bundledRequire(import.meta.url);`;

/**
 * @param {string} folder is made; what else is in there stays
 * @param {import('esbuild').Plugin[]} more of tests
 */
export async function bundle(folder, more = []) {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: programs,
    outdir: folder,
    bundle: true,
    // A command loads only the parts that it needs.
    splitting: true,
    platform: 'node',
    target: 'node22.19',
    format: 'esm',
    banner: { js: requireForThem },
    plugins: [...more, oneLanguage],
    legalComments: 'none',
    logLevel: 'warning',
    metafile: true,
  });
  for (const name of Object.keys(metafile.outputs)) narrow(join(root, name));
  // Read from the folder of the program that serves them (src/http/static-files.ts).
  cpSync(join(root, 'src', 'http', 'static'), join(folder, 'static'), { recursive: true });
  // Executed by the programs (sandbox/native/index.ts).
  cpSync(join(root, 'sandbox', 'native', 'built'), join(folder, 'built'), { recursive: true });
  writeFileSync(join(folder, 'NOTICES.txt'), notices(root, Object.keys(metafile.inputs)));
  writeFileSync(join(folder, 'verify.html'), await makeVerifyPage());
}

/**
 * A single character beyond Latin-1 makes V8 keep a whole file in two bytes a character for as long as it runs: 6 MB a worker. esbuild
 * escapes them in code; what is left is in comments.
 * @param {string} file
 */
function narrow(file) {
  const text = readFileSync(file, 'utf8');
  const narrowed = text.replaceAll(/[^\0-\xff]/gu, '?');
  if (narrowed !== text) writeFileSync(file, narrowed);
}

if (argv[1] !== undefined && import.meta.url === pathToFileURL(argv[1]).href) {
  const shipped = join(root, 'dist', 'program');
  // The whole folder is shipped: files of an earlier bundle must go.
  if (argv[2] === undefined) rmSync(shipped, { recursive: true, force: true });
  await bundle(argv[2] ?? shipped);
}
