/** A parser of the library tar-stream. */
interface TarParser {
  on(event: 'entry', listener: () => void): unknown;
  destroy(error: Error): unknown;
}

/**
 * Ends a parser with `error` at an extended header of length 0, which would take what follows for that header. Iterating over the
 * entries would notice a turn too late.
 */
export function refuseEmptyHeaders(parser: TarParser, error: () => Error): void {
  parser.on('entry', () => {
    // State that the library's types omit.
    if ('_longHeader' in parser && parser._longHeader === true) parser.destroy(error());
  });
}
