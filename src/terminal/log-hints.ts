/** Messages of common programs for a name that is not resolved or an address that is not reached. */
const unreachable =
  /\b(?:ENOTFOUND|EAI_AGAIN|ENETUNREACH|Could not resolve host|Temporary failure (?:in name resolution|resolving)|Name or service not known|no such host|Network is unreachable|failed to lookup address)\b/i;

/** Messages of npm and pnpm, offline, for a package that they were not given. */
const notGiven = /\b(?:ENOTCACHED|ERR_PNPM_NO_OFFLINE_(?:META|TARBALL))\b/;

/** Message of ENOSPC, as the C library and the runtimes of languages print it. */
const noSpace = /\b(?:No space left on device|ENOSPC)\b/i;

/** Messages of dash and bash for a program that is not there. */
const notFound = /^\S{1,100}: (?:line )?\d{1,6}: ([\w.+-]{1,64}): (?:command )?not found$/;

/** Looks in the lines of a log for a build that lacks a program, wants a network and has none, a package that no lock file names, or more disk than its job has. */
export class LogHints {
  #hasNetwork = false;
  #wants = false;
  #misses = false;
  #filled = false;
  #lacks: string | undefined;

  push(line: string): void {
    if (line.startsWith('quorate: network: ')) this.#hasNetwork = true;
    else if (noSpace.test(line)) this.#filled = true;
    else if (notGiven.test(line)) this.#misses = true;
    else if (unreachable.test(line)) this.#wants = true;
    else this.#lacks ??= notFound.exec(line)?.[1];
  }

  /** Hint for a build that failed for want of disk, a package, a program or a network. */
  get hint(): string | undefined {
    if (this.#filled)
      return 'The build wrote more than its disk holds (limits.disk of the job; /dev/shm has a part of it). Have it write less, or raise "disk" under "limits" in quorate.yaml.';
    if (this.#misses)
      return 'The build asked for a package that no lock file of the job names. Was package.json changed, and the lock file not? Have its package manager write it again (npm install --package-lock-only, pnpm install --lockfile-only), and list each lock file under "dependencies" in quorate.yaml.';
    if (this.#lacks !== undefined)
      return `${this.#lacks} is not where it was built: with "image: host" that is the system of each worker, to which its operator adds programs; an image has the same on all (quorate image build --include …).`;
    if (this.#hasNetwork || !this.#wants) return undefined;
    return 'The build asked for a server, and the job has no network. Packages that a lock file names are fetched before the build with "dependencies: [package-lock.json]" in quorate.yaml; with "network: [vcs]" the job reaches the servers that the charter lists. Anything else it needs has to be in the repository or in the image.';
  }
}
