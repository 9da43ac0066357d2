/** All bytes of a stream, which is ended beyond `max`. @throws what `tooLong` makes then, and what the stream throws */
export async function wholeBytes(
  stream: AsyncIterable<Uint8Array>,
  max: number,
  tooLong: () => Error,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    // Leaving the loop ends the stream.
    if (bytes > max) throw tooLong();
    chunks.push(chunk);
  }
  return concat(chunks);
}

/** Pieces as one, however many. */
export function concat(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
