/** Most characters of the name of a branch or tag. */
const refCharsMax = 255;

/** Whether git takes this for the name of a branch or tag (git-check-ref-format(1)), and no program for an option. */
export const isRefName = (ref: string): boolean =>
  ref.length > 0 &&
  ref.length <= refCharsMax &&
  /^[^\s~^:?*[\\\p{Cc}]+$/u.test(ref) &&
  !/^[-/]|\.\.|\/\/|@\{|[/.]$|^@$/.test(ref) &&
  !ref.split('/').some((part) => part.startsWith('.') || part.endsWith('.lock'));

/** Full names of refs that people may mean by one name: a full one itself only, so that no branch can take another's place. */
export const refsNamed = (name: string): string[] =>
  name.startsWith('refs/') ? [name] : [name, `refs/heads/${name}`, `refs/tags/${name}`];

export const shortRef = (ref: string): string => ref.replace(/^refs\/(?:heads|tags)\//, '');
