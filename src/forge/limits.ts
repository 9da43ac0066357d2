export const forgeLimits = {
  /** Of one answer. A page of 50 pull requests with long descriptions is below. */
  answerBytesMax: 8 * 1024 * 1024,
  /** Pages of a list that are read at once; the next look goes on after them. */
  pagesMax: 10,
  /** Pages of a list: an endless one is begun again after these. */
  listPagesMax: 400,
  perPage: 50,
  /** Of one request, from its beginning to the end of the answer, in milliseconds. */
  requestMsMax: 30_000,
  /** A webhook whose signed time is older, or newer, is refused. Forges try again for minutes. */
  webhookAgeMsMax: 15 * 60_000,
  /** Of a pull request that is looked at. */
  labelsMax: 100,
  /** Characters of a title or a name that are kept. */
  textCharsMax: 300,
} as const;
