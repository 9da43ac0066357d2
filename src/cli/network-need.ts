/** Messages of common programs for a name that is not resolved or an address that is not reached. */
const unreachable =
  /\b(?:ENOTFOUND|EAI_AGAIN|ENETUNREACH|Could not resolve host|Temporary failure (?:in name resolution|resolving)|Name or service not known|no such host|Network is unreachable|failed to lookup address)\b/i;

/** Looks in the lines of a log for a build that wants a network and has none. */
export class NetworkNeed {
  #hasNetwork = false;
  #wants = false;

  push(line: string): void {
    if (line.startsWith('quorate: network: ')) this.#hasNetwork = true;
    else if (unreachable.test(line)) this.#wants = true;
  }

  /** Hint for a build that failed for want of a network. */
  get hint(): string | undefined {
    if (this.#hasNetwork || !this.#wants) return undefined;
    return 'The build asked for a server, and the job has no network. Packages that a lock file names are fetched before the build with "dependencies: [package-lock.json]" in quorate.yaml; with "network: [vcs]" the job reaches the servers that the charter lists. Anything else it needs has to be in the repository or in the image.';
  }
}
