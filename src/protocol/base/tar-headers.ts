/** A parser of the library tar-stream. */
interface TarParser {
  on(event: 'entry', listener: () => void): unknown;
  destroy(error: Error): unknown;
}

/**
 * Ends a parser at an extended header of length 0: it would take what follows for that header. It looks when the parser tells of
 * the next entry; who iterates over the entries hears of it a turn later, when the parser has read on.
 * @param error what the parser ends with
 */
export function refuseEmptyHeaders(parser: TarParser, error: () => Error): void {
  parser.on('entry', () => {
    // State that the library's types omit.
    if ('_longHeader' in parser && parser._longHeader === true) parser.destroy(error());
  });
}
