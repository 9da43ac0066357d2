export * from './content.ts';
export * from './decide.ts';
export * from './draw.ts';
export * from './verify.ts';
