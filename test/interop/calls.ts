/** The calls that are recorded against servers of others and replayed in the tests. */
import type { Encoding, InferRequest, OipClient } from '../../cloud/oip-client/index.ts';

/** Rows of codes of no meaning for the last segment of the bundle; all values that 2 bits have. */
export const rows = 2;
export const codes = Uint8Array.from({ length: rows * 6 * 4 * 4 }, (_, at) => (at + Math.floor(at / 5)) % 4);

export function inferRequest(encoding: Encoding): InferRequest {
  return {
    model: 'b-lenet-mnist-s1',
    id: 'recorded-1',
    inputs: [{ name: 'codes', datatype: 'UINT8', shape: [rows, 6, 4, 4], data: codes }],
    outputs: [{ name: 'logits', datatype: 'FP32', shape: [rows, 10] }],
    encoding,
  };
}

/** One dimension is missing. */
function wrongRequest(encoding: Encoding): InferRequest {
  const [input] = inferRequest(encoding).inputs;
  if (input === undefined) throw new Error('no input');
  return { ...inferRequest(encoding), inputs: [{ ...input, shape: [rows, 6, 16] }] };
}

export type Call = (client: OipClient, encoding: Encoding) => Promise<unknown>;

export const calls: Readonly<Record<string, Call>> = {
  'server-metadata': (client) => client.serverMetadata(),
  'model-ready': (client) => client.isModelReady('b-lenet-mnist-s1'),
  'model-metadata': (client) => client.modelMetadata('b-lenet-mnist-s1'),
  'model-config': (client) => client.modelConfig('b-lenet-mnist-s1'),
  infer: (client, encoding) => client.infer(inferRequest(encoding)),
  'infer-error': (client, encoding) => client.infer(wrongRequest(encoding)),
};

/** One exchange as it went over the wire, base64, the address in `Host` replaced. */
export interface Recording {
  readonly server: string;
  readonly date: string;
  readonly encoding: Encoding;
  readonly request: string;
  readonly response: string;
}

/** The port differs from run to run. */
export function withoutPort(request: Buffer): Buffer {
  const text = request.toString('latin1').replace(/\r\nHost: [^\r]*\r\n/i, '\r\nHost: 127.0.0.1\r\n');
  return Buffer.from(text, 'latin1');
}
