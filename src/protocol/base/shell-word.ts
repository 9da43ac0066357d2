/** The command that allows connections of a worker to a host, as `NAME:PORT` or `NAME`. */
export const allowCommand = (host: string): string => `quorate worker allow ${shellWord(host)}`;

/** A word of a shell command, quoted where it needs to be. */
export const shellWord = (word: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
