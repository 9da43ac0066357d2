import type { JobSpec } from './parse.ts';

/** Programs that builds often run and a machine may lack, with Debian's package of each. */
const packages: Readonly<Record<string, string>> = {
  make: 'make',
  cmake: 'cmake',
  ninja: 'ninja-build',
  meson: 'meson',
  autoreconf: 'autoconf',
  automake: 'automake',
  cc: 'gcc',
  gcc: 'gcc',
  'c++': 'g++',
  'g++': 'g++',
  clang: 'clang',
  'pkg-config': 'pkgconf',
  go: 'golang-go',
  cargo: 'cargo',
  rustc: 'rustc',
  node: 'nodejs',
  npm: 'npm',
  npx: 'npm',
  yarn: 'yarnpkg',
  pnpm: 'pnpm',
  python: 'python-is-python3',
  python3: 'python3',
  pip: 'python3-pip',
  pip3: 'python3-pip',
  'pyproject-build': 'python3-build',
  pytest: 'python3-pytest',
  tox: 'tox',
  java: 'default-jre',
  javac: 'default-jdk',
  mvn: 'maven',
  gradle: 'gradle',
  ruby: 'ruby',
  bundle: 'ruby-bundler',
  rake: 'rake',
  php: 'php-cli',
  composer: 'composer',
  perl: 'perl',
  git: 'git',
  jq: 'jq',
  zip: 'zip',
  unzip: 'unzip',
  shellcheck: 'shellcheck',
};

export interface Tool {
  name: string;
  /** Debian's package of it. */
  of: string;
}

/** Each repetition is bounded: steps come with a repository, and a place may begin what every place after it is in. */
const atBegin =
  /(?<=^|[;&|(]|\b(?:if|while|until|then|do|else|exec|time|env)[ \t])[ \t]{0,99}(?:[A-Za-z_]\w{0,60}=[^\s;&|]{0,300}[ \t]{1,9}){0,9}([a-z][\w.+-]{0,60})(?=[\s;&|)]|$)/gm;

/** Programs of the list that jobs run on the system of their worker, each once. */
export function toolsOf(jobs: readonly Pick<JobSpec, 'image' | 'run'>[]): Tool[] {
  const steps = jobs.flatMap(({ image, run }) => (image === 'host' ? run : []));
  const words = steps.flatMap((step) =>
    [...(typeof step === 'string' ? step : step.run).matchAll(atBegin)].map(([, word = '']) => word),
  );
  return [...new Set(words)].flatMap((name) => {
    const of = Object.hasOwn(packages, name) ? packages[name] : undefined;
    return of === undefined ? [] : [{ name, of }];
  });
}
