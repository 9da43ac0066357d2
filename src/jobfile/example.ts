/** Kind of the example: for a Makefile, for an npm package, or for neither. */
export type ExampleKind = 'make' | 'npm' | 'script';

/** The kind that fits a folder with these file names. */
export function exampleKind(fileNames: readonly string[]): ExampleKind {
  if (fileNames.some((name) => ['Makefile', 'makefile', 'GNUmakefile'].includes(name))) return 'make';
  return fileNames.includes('package.json') ? 'npm' : 'script';
}

const steps: Record<ExampleKind, string[]> = {
  make: ['make', 'make install DESTDIR=$OUT'],
  npm: ['npm pack --pack-destination $OUT'],
  script: ['./build.sh $OUT'],
};

/** The commented job file that `quorate init` writes. */
export function exampleJobFile(kind: ExampleKind): string {
  const run = steps[kind].map((step) => `      - ${step}\n`).join('');
  return `# What Quorate builds from this repository. Every job runs from a clean checkout of one commit, without a
# network unless it asks for one: network: [vcs, store], the charter's source servers and the project's artifact store.
jobs:
  # A name of your choice: quorate run --job build
  build:
    # The system the build runs on. "host" is the worker's own; the same everywhere only where all workers run the same.
    image: host

    # Shell commands, one after another, in the checkout. The first that fails ends the job.
    # What should become the artifact goes below $OUT. A step may have a name, be for bash, or be allowed to fail:
    # {name: Lint, run: ./lint, shell: bash, allow_failure: true}
    run:
${run}
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
