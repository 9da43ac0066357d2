import { jobFileLimits } from './limits.ts';

const makefiles = ['GNUmakefile', 'makefile', 'Makefile'];

/** The file by which a folder with these names is built; undefined for none that is known. */
export const exampleFrom = (names: readonly string[]): string | undefined =>
  [...makefiles, 'package.json', 'setup.py', 'pyproject.toml'].find((name) => names.includes(name));

/** Words of an example that stand for what was not to be guessed. */
const unguessed = { build: './build.sh', files: 'FILES-THAT-IT-MAKES' };

/** The words of a job file, beside files with these names, that stand for what `quorate init` could not guess: it and `quorate up` ask to edit them. */
export function unguessedWords(text: string, names: readonly string[]): string | undefined {
  const { build, files } = unguessed;
  if (text.includes(`- ${build} $OUT`) && !names.includes('build.sh')) return build;
  return text.includes(` ${files} $OUT`) ? files : undefined;
}

interface Example {
  /** Comments and commands. */
  run: string[];
  dependencies?: string;
}

/** The commented job file that `quorate init` writes. `text`: of the file that `exampleFrom` names; `ignored`: of .gitignore. */
export function exampleJobFile(names: readonly string[], text = '', ignored = ''): string {
  const about = text.slice(0, jobFileLimits.bytesMax);
  const from = exampleFrom(names);
  const { run, dependencies }: Example =
    from === undefined || (from === 'pyproject.toml' && !/^\[(?:project|build-system)\]/m.test(about))
      ? { run: [...(names.includes('build.sh') ? [] : [unguessedSays]), `${unguessed.build} $OUT`] }
      : from === 'package.json'
        ? ofPackage(about, names, ignored)
        : makefiles.includes(from)
          ? ofMakefile(about)
          : { run: ofPython };
  const steps = run.map((step) => `      ${step.startsWith('#') ? '' : '- '}${step}\n`).join('');
  const locks =
    dependencies === undefined
      ? ''
      : `
    # Packages that this lock file names are fetched before the build, which has no network.
    dependencies: [${dependencies}]
`;
  return `# What Quorate builds from this repository. Every job runs from a clean checkout of one commit, without a
# network unless it asks for one: network: [vcs, store], the charter's source servers and the project's artifact store.
jobs:
  # A name of your choice: quorate run --job build
  build:
    # The system the build runs on. "host" is the worker's own; the same everywhere only where all workers run the same.
    image: host
${locks}
    # Shell commands, one after another, in the checkout. The first that fails ends the job.
    # What should become the artifact goes below $OUT. A step may have a name, be for bash, or be allowed to fail:
    # {name: Lint, run: ./lint, shell: bash, allow_failure: true}
    run:
${steps}
    # Which paths of $OUT to keep. "." keeps everything.
    outputs: [.]

    # Environment variables, never secrets: every worker can read them. Fixed values keep builds reproducible.
    env:
      LC_ALL: C.UTF-8

    # What one build may use. Disk is kept in memory and counts against memory too, unless it is more than memory.
    limits:
      cpus: 1
      memory: 1GiB
      disk: 1GiB
      time: 20m

    # The artifact is trusted when 2 of 3 independent operators produced it bit for bit,
    # and your own trusted worker did so too and signed (cosign: required).
    # Too few agree? Then fresh operators try once more (rounds: 2).
    trust:
      agree: 2
      of: 3
      cosign: required
      rounds: 2
`;
}

const unguessedSays = '# Nothing here says how this is built: put its own commands here.';

/** Not pip: Debian's reads certificates as it starts, which are not in the sandbox. */
const ofPython = [
  '# There is no network: the worker has what builds it, on Debian python3-build and python3-setuptools.',
  'pyproject-build --wheel --no-isolation --outdir $OUT',
];

/** Files that are kept of a Makefile without the target "install". */
const madeMax = 8;
const plainFile = /^\w[\w.+-]*(?:\/\w[\w.+-]*)*$/;
const sourceFile = /\.(?:[chm]|cc|cpp|cxx|hh|hpp|[ao]|in|mk|py|sh|md)$/;

function ofMakefile(text: string): Example {
  if (
    text === '' ||
    /^-?include\s/m.test(text) ||
    /^(?:[^\t#\n:=]{0,500} )?install(?:[ \t][^\n:=]{0,500})?::?(?!=)/m.test(text)
  ) {
    const at = ['DESTDIR', 'PREFIX', 'prefix'].find((name) => new RegExp(`\\$[({]${name}[)}]`).test(text));
    return { run: ['make', `make install ${at ?? 'DESTDIR'}=$OUT`] };
  }
  const made = madeBy(text);
  const says = '# The Makefile has no target "install": these are the files that become the artifact.';
  return {
    run: ['make', says, `cp --parents ${made.length === 0 ? unguessed.files : made.join(' ')} $OUT`],
  };
}

/** A guess at the files that the first target of a Makefile makes: itself, or what it asks for where it is no file. */
function madeBy(text: string): string[] {
  const values = new Map<string, string>();
  const rules: { targets: string[]; needs: string[] }[] = [];
  const phony = new Set(['all', 'build', 'default']);
  for (const line of text.replaceAll('\\\n', ' ').split('\n')) {
    const [, name, value = ''] = /^(\w{1,64})[ \t]*[:?]?=(.{0,500})$/.exec(line) ?? [];
    if (name !== undefined) {
      values.set(name, value.replace(/#.*/, '').trim());
      continue;
    }
    const [, left = '', right = ''] = /^([^\t#:=]{1,500}):{1,2}([^=:;#|]{0,500})/.exec(line) ?? [];
    const words = (part: string): string[] =>
      part
        .replace(/\$[({](\w{1,64})[)}]/g, (whole, key: string) => values.get(key) ?? whole)
        .split(/\s+/)
        .filter((word) => word !== '');
    const targets = words(left);
    if (targets[0] === '.PHONY') for (const word of words(right)) phony.add(word);
    else if (targets.length > 0 && targets[0]?.startsWith('.') === false)
      rules.push({ targets, needs: words(right) });
  }
  const [goal] = rules;
  if (goal === undefined) return [];
  const isFile = (word: string): boolean => !phony.has(word) && plainFile.test(word);
  const found = goal.targets.every(isFile) ? goal.targets : goal.needs;
  return found.filter((word) => isFile(word) && !sourceFile.test(word)).slice(0, madeMax);
}

const lockFiles = ['package-lock.json', 'npm-shrinkwrap.json'];

/** A folder that a build makes and git ignores. */
const madeFolder = /^\/?(dist|build|lib|out)\/?\r?$/m;

function ofPackage(text: string, names: readonly string[], ignored: string): Example {
  const about = objectIn(text);
  const scripts = objectOf(about.scripts);
  const has = (name: string): boolean => Object.keys(objectOf(about[name])).length > 0;
  const builds = (name: string): boolean => /\bbuild\b/.test(String(scripts[name] ?? ''));
  const build =
    scripts.build === undefined || builds('prepack') || builds('prepare') ? [] : ['npm run build'];
  const lock = lockFiles.find((name) => names.includes(name));
  const needs = has('dependencies') || has('devDependencies');
  const [, made] = names.includes('.npmignore') || has('files') ? [] : (madeFolder.exec(ignored) ?? []);
  const isBuilt = [scripts.build, scripts.prepack, scripts.prepare].some((script) => script !== undefined);
  const omitted =
    made !== undefined && isBuilt
      ? [
          `# npm pack leaves out ${made}/, which .gitignore names: write "files": ["${made}"] into package.json, or add here:`,
          `# - cp -R --parents ${made} $OUT`,
        ]
      : [];
  const pack =
    text === '' || (about.name !== undefined && about.version !== undefined)
      ? ['npm pack --pack-destination $OUT', ...omitted]
      : [
          '# package.json lacks name or version, which "npm pack" needs: this folder becomes the artifact.',
          'cp -R --parents dist $OUT',
        ];
  if (!needs) return { run: [...build, ...pack] };
  if (lock !== undefined) return { run: ['npm ci', ...build, ...pack], dependencies: lock };
  const says =
    '# It has dependencies and no package-lock.json: npm install --package-lock-only makes one. Then add above, and here:';
  return { run: [says, '# dependencies: [package-lock.json]', '# - npm ci', ...build, ...pack] };
}

function objectIn(text: string): Record<string, unknown> {
  try {
    return objectOf(JSON.parse(text));
  } catch {
    return {};
  }
}

const objectOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? { ...value } : {};
