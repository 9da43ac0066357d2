/** Names that a repository may have its job file under, the first of them first. */
export const jobFileNames = ['quorate.yaml', 'quorate.yml'] as const;
