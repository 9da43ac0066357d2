/** The folder into which the printed command fetches an artifact. */
export const fetchedInto = 'out';
