/** The first and last characters of an id: ids of one kind begin alike. */
export function shortId(id: string): string {
  return id.length <= 16 ? id : `${id.slice(0, 7)}…${id.slice(-6)}`;
}
