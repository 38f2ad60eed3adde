export { type CallOptions, type ModelOptions, OipClient, type OipClientOptions } from './client.ts';
export type {
  ModelConfig,
  ModelMetadata,
  ModelStatistics,
  RepositoryIndex,
  ServerMetadata,
  TensorMetadata,
} from './documents.ts';
export type { ClientTls } from './exchange.ts';
export type { Encoding, InferRequest, WantedOutput } from './infer-request.ts';
export type { InferResponse } from './infer-response.ts';
export type { Datatype, Tensor, TensorArrays } from './tensors.ts';
