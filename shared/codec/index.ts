export { type Codec, type CodecOptions, createCodec } from './codec.ts';
export type { CodesShape } from './model.ts';
export { type CutTables, type CutTablesShape, contextsPerChannel, parseCutTables } from './tables.ts';
