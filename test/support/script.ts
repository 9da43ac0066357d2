/**
 * Runs a script with the options in its arguments. `--help` prints the usage alone; wrong ones, for which `optionsOf` throws, print why.
 * @returns the exit code
 */
export async function runScript<Options>(
  usage: string,
  optionsOf: (args: string[]) => Options,
  run: (options: Options) => Promise<number>,
): Promise<number> {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    process.stdout.write(usage);
    return 0;
  }
  let options: Options;
  try {
    options = optionsOf(args);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${usage}`);
    return 2;
  }
  return run(options);
}
