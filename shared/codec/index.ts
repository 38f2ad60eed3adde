export { absentCode, type Codec, type CodecOptions, createCodec } from './codec.ts';
export type { CodesShape } from './model.ts';
export {
  type CutTables,
  type CutTablesShape,
  contextsPerChannel,
  firstChannels,
  parseCutTables,
} from './tables.ts';
