import { describe, expect, it } from 'vitest';
import { isRecipe, parseRecipe, recipeText } from '../../../src/protocol/base/recipe-name.ts';
import { recipe } from '../../support/documents.ts';

const commit = 'a'.repeat(40);

describe('a job file of a repository, as people name it', () => {
  it.each([
    [
      'https://git.example/recipes.git:p-map.yaml',
      'https://git.example/recipes.git',
      undefined,
      'p-map.yaml',
    ],
    [`https://git.example/r.git@${commit}:a/b.yaml`, 'https://git.example/r.git', commit, 'a/b.yaml'],
    ['git://127.0.0.1:9418/recipes:a.yaml', 'git://127.0.0.1:9418/recipes', undefined, 'a.yaml'],
    ['http://[::1]:80/r@v1:a.yaml', 'http://[::1]:80/r@v1', undefined, 'a.yaml'],
    ['https://git.example/@ada/r:a:b.yaml', 'https://git.example/@ada/r', undefined, 'a:b.yaml'],
    [`https://git.example/r@${'b'.repeat(64)}:x`, 'https://git.example/r', 'b'.repeat(64), 'x'],
  ])('%s', (text, repo, of, path) => {
    const named = parseRecipe(text);
    expect(named).toEqual({ repo, path, ...(of !== undefined && { commit: of }) });
    if (named !== undefined) expect(recipeText(named)).toBe(text);
  });

  it.each([
    'p-map.yaml',
    './recipes/p-map.yaml',
    'https://git.example/recipes.git',
    'https://git.example:443',
    'https://git.example/recipes.git:',
    'https://git.example/recipes.git:../p-map.yaml',
    'https://git.example/recipes.git:/etc/passwd',
    'https://git.example/two words:a.yaml',
    'git@git.example:recipes.git:a.yaml',
    `https://git.example/r:${'a/'.repeat(5000)}a`,
  ])('a text that is no recipe: %s', (text) => expect(parseRecipe(text)).toBeUndefined());

  it('stands for each commit where it names none, and for one where it does', () => {
    const { repo, path } = recipe;
    expect(isRecipe(recipe, { repo, path })).toBe(true);
    expect(isRecipe(recipe, { repo, path, commit: recipe.commit })).toBe(true);
    expect(isRecipe(recipe, { repo, path, commit })).toBe(false);
    expect(isRecipe(recipe, { repo, path: `${path}.old` })).toBe(false);
    expect(isRecipe(recipe, { repo: `${repo}x`, path })).toBe(false);
  });
});
