/** Lines that no schema describes, of all commands that ran with `--json` in this process. Apart from the schemas, which take 70 ms to load. */
export const undescribed: string[] = [];

/** Throws where a line was undescribed, and forgets it. */
export function failUndescribed(): void {
  const found = undescribed.splice(0);
  if (found.length === 0) return;
  throw new Error(
    `No schema of src/cli/json describes what a command printed:\n${found.join('\n')}\nDescribe it there.`,
  );
}
