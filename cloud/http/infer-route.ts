import type { FastifyReply } from 'fastify';
import type { Clock } from '../../shared/clock.ts';
import { OfframpError } from '../../shared/errors.ts';
import { argmax } from '../../shared/exits/index.ts';
import { parseTraceparent, type TraceParent, type Tracer } from '../../shared/trace/index.ts';
import type { BatchingPolicy } from '../batching/index.ts';
import type { ListenerLimits } from '../listener.ts';
import type { ServedBundle } from '../served-bundle.ts';
import { traceWork } from '../trace-work.ts';
import { acceptedCoding, type Coding, codingOf, decodeBody, encodeBody } from './content-coding.ts';
import { exampleRequest } from './example-request.ts';
import { type CheckedRequest, readInferenceRequest } from './infer-request.ts';
import { type EncodedResponse, encodeResponse } from './infer-response.ts';
import type { HostTimes, InferenceHost, InferenceWork } from './inference-host.ts';
import type { Entry, Intake } from './intake.ts';
import type { HttpLimits } from './limits.ts';
import { modelOf } from './model-routes.ts';
import type { Model, ModelTable } from './models.ts';
import { declaredBytes, readBody } from './read-body.ts';
import { type RequestTime, requestTime } from './request-time.ts';
import { type Caller, type Identify, ofModel, type Route, type RouteRequest } from './route.ts';
import type { Statistics } from './statistics.ts';
import type { TensorData } from './tensors.ts';
import type { TurnNames } from './turn-names.ts';

export interface InferRouteOptions {
  readonly models: () => ModelTable;
  readonly host: InferenceHost;
  readonly intake: Intake;
  readonly turns: TurnNames;
  readonly statistics: Statistics;
  /** Hears how long an answer took, from the whole request on. */
  readonly onAnswered: (bundle: string, seconds: number) => void;
  /** Whether the server is stopping. */
  readonly draining: () => boolean;
  readonly clock: Clock;
  readonly identify: Identify;
  readonly policyOf: (served: ServedBundle) => BatchingPolicy;
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined;
  readonly limits: Pick<HttpLimits, 'httpBudgetMs'> & Pick<ListenerLimits, 'idleTimeoutMs'>;
}

/** What a model gave for a request. */
interface Outputs extends HostTimes {
  /** In the model's order. */
  readonly tensors: readonly TensorData[];
  readonly degradedRows: number;
}

/** A request on its way, once it has been read. */
interface Inference {
  readonly model: Model;
  readonly checked: CheckedRequest;
  readonly time: RequestTime;
  readonly caller: Caller;
  /** In whose name it takes turns. */
  readonly turn: string;
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal;
  /** The caller's span. */
  readonly trace: TraceParent | undefined;
  /** When its body was there. */
  readonly startMs: number;
}

const headerLengthName = 'inference-header-content-length';

/** Inference, as JSON or with binary tensors, and with packed bodies both ways. */
export function inferRoutes(options: InferRouteOptions): Route[] {
  const failed = (description: string) => ({ description, schema: 'Error' }) as const;
  return ofModel('/infer', {
    method: 'POST',
    operation: {
      ...{ id: 'infer', tag: 'inference', summary: 'Have rows computed', access: 'infer' },
      description:
        'JSON, or JSON with binary tensors behind it and its length in Inference-Header-Content-Length; a length of 0 makes the whole body the input tensor.',
      request: [
        { schema: 'InferenceRequest', example: exampleRequest(options.models()) },
        { type: 'application/octet-stream' },
      ],
      answers: {
        200: { description: 'all rows, in their order', schema: 'InferenceResponse' },
        400: failed('the request is not what the model takes'),
        404: failed('no such model or version'),
        413: failed('the body is larger than the largest request'),
        500: failed('the model could not be run'),
        501: failed('tensors in shared memory'),
        503: failed('busy or stopping; Retry-After says when to come again'),
        504: failed('the timeout was over before the rows were computed'),
      },
    },
    handler: (request, reply) => infer(options, request, reply),
  });
}

async function infer(
  options: InferRouteOptions,
  request: RouteRequest,
  reply: FastifyReply,
): Promise<Uint8Array> {
  const { models, identify, intake, limits } = options;
  if (options.draining()) throw new OfframpError('DRAINING', 'This server is stopping');
  const caller = identify(request.raw, 'infer');
  const model = modelOf(models(), request);
  const coding = codingOf(request.headers['content-encoding']);
  const entry = intake.enter(heldBytes(request, model, coding));
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) entry.abandon();
    entry.leave();
  });
  const body = await receive(request, model, coding, entry);
  const startMs = options.clock.now();
  const checked = readInferenceRequest(body, headerText(request.headers[headerLengthName]), model);
  const time = requestTime(checked, options.policyOf(model.served), limits.httpBudgetMs);
  // The socket is silent while rows are computed, for longer than silence is allowed otherwise.
  reply.raw.setTimeout(time.budgetMs + limits.idleTimeoutMs);
  const trace = parseTraceparent(headerText(request.headers.traceparent) ?? '');
  const response = await answer(options, {
    ...{ model, checked, time, caller, signal: entry.signal, trace, startMs },
    turn: options.turns.of(request.raw.socket, caller.name),
  });
  reply.raw.setTimeout(limits.idleTimeoutMs);
  return payloadOf(response, request, reply);
}

/** What the body may take up, once as it comes and once unpacked. */
function heldBytes({ raw }: RouteRequest, { maxBodyBytes }: Model, coding: Coding | undefined): number {
  const declared = declaredBytes(raw);
  const received = declared > 0 ? Math.min(declared, maxBodyBytes) : maxBodyBytes;
  return received + (coding === undefined ? 0 : maxBodyBytes);
}

async function receive(
  { raw }: RouteRequest,
  { maxBodyBytes }: Model,
  coding: Coding | undefined,
  { signal }: Entry,
): Promise<Uint8Array> {
  const body = await readBody(raw, maxBodyBytes, signal);
  return coding === undefined ? body : decodeBody(body, coding, maxBodyBytes);
}

/** Has a request computed, within what its caller may use, and counts what became of it. */
async function answer(
  { host, statistics, onAnswered, clock, tracer }: InferRouteOptions,
  { model, checked, time, caller, turn, signal, trace, startMs }: Inference,
): Promise<EncodedResponse> {
  caller.begin(checked.rows);
  const readMs = clock.now();
  const traced = traceWork({ tracer, clock }, 'infer', model.served, { trace, cut: model.segment ?? 0 });
  try {
    const outputs = await compute(host, model, {
      ...{ served: model.served, tensor: checked.tensor, rows: checked.rows },
      ...{ ...time, client: turn, signal },
      ...(checked.priority !== undefined && { priority: checked.priority }),
    });
    traced?.onResult(outputs);
    const computedMs = clock.now();
    const response = respond(model, checked, outputs);
    const endMs = clock.now();
    onAnswered(model.served.id, (endMs - startMs) / 1000);
    statistics.onSuccess(model.name, {
      totalNanos: (endMs - startMs) * 1e6,
      queueNanos: outputs.queueMicros * 1000,
      inputNanos: (readMs - startMs) * 1e6,
      inferNanos: outputs.runMicros * 1000,
      outputNanos: (endMs - computedMs) * 1e6,
    });
    return response;
  } catch (thrown) {
    traced?.onError(OfframpError.from(thrown));
    statistics.onFailure(model.name, (clock.now() - startMs) * 1e6);
    throw thrown;
  } finally {
    caller.end();
  }
}

function respond(model: Model, checked: CheckedRequest, { tensors, degradedRows }: Outputs): EncodedResponse {
  return encodeResponse(model, checked, tensors, degradedRows > 0 ? { degraded_rows: degradedRows } : {});
}

async function compute(host: InferenceHost, model: Model, work: InferenceWork): Promise<Outputs> {
  const { segment } = model;
  if (segment !== undefined) {
    const { outputs, ...times } = await host.inferSegment({ ...work, segment });
    for (const tensor of outputs) refuseNonFinite(tensor, model);
    return { ...times, tensors: outputs, degradedRows: 0 };
  }
  const { exits, logits, degradedRows, ...times } = await host.inferWhole(work);
  refuseNonFinite(logits, model);
  const { classes } = model.served;
  const labels = exits.map((_, row) => argmax(logits.subarray(row * classes, (row + 1) * classes)));
  const tensors = [logits, BigInt64Array.from(labels, BigInt), BigInt64Array.from(exits, BigInt)];
  return { ...times, tensors, degradedRows };
}

/** JSON has no word for them, and an answer made of them is none. */
function refuseNonFinite(tensor: Float32Array | Uint8Array, { name }: Model): void {
  if (!(tensor instanceof Float32Array) || tensor.every(Number.isFinite)) return;
  throw new OfframpError('RUNTIME_FAILED', `${name} gave logits that are not finite`);
}

/** The body to send, packed where the caller takes that; sets the headers that say so. */
async function payloadOf(
  { body, headerBytes }: EncodedResponse,
  { headers }: RouteRequest,
  reply: FastifyReply,
): Promise<Uint8Array> {
  const coding = acceptedCoding(headerText(headers['accept-encoding']), body.length);
  reply.header('vary', 'accept-encoding');
  if (headerBytes !== undefined) reply.header(headerLengthName, headerBytes);
  reply.type(headerBytes === undefined ? 'application/json' : 'application/octet-stream');
  if (coding === undefined) return body;
  reply.header('content-encoding', coding);
  return encodeBody(body, coding);
}

/** Node joins headers that come twice with a comma, which no value of ours can have. */
function headerText(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(',') : value;
}
