/** Full names of refs that people may mean by one name: a full one itself only, so that no branch can take another's place. */
export const refsNamed = (name: string): string[] =>
  name.startsWith('refs/') ? [name] : [name, `refs/heads/${name}`, `refs/tags/${name}`];

/** Without `refs/heads/` or `refs/tags/`. */
export const shortRef = (ref: string): string => ref.replace(/^refs\/(?:heads|tags)\//, '');
