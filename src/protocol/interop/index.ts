export * from './bom.ts';
export * from './evidence.ts';
export * from './layout.ts';
export * from './link.ts';
export * from './provenance.ts';
