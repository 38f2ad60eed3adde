import Type from 'typebox';
import type { Operation } from '../../shared/host/index.ts';
import type { SchemaName } from './schemas.ts';

/** A 1 drawn on 8 x 8 pixels, as PNG in base64. */
const examplePicture =
  'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAACXBIWXMAAAPoAAAD6AG1e1JrAAAAEElEQVQI12NgQAb/yWKAAADUcwX7Q8arhAAAAABJRU5ErkJggg==';

/** The routes of the daemon, for its OpenAPI document. */
export const operations = {
  live: {
    ...{ id: 'livez', tag: 'health', summary: 'Whether the process answers', access: 'open' },
    answers: { 200: { description: 'it does', schema: 'Live', example: { live: true } } },
  },
  ready: {
    ...{ id: 'readyz', tag: 'health', summary: 'Whether images are answered', access: 'open' },
    answers: {
      200: { description: 'they are', schema: 'Readiness', example: { ready: true, provider: 'cpu' } },
      503: { description: 'every inference thread has ended', schema: 'Readiness' },
    },
  },
  metrics: {
    ...{ id: 'metrics', tag: 'daemon', summary: 'Metrics for Prometheus', access: 'open' },
    answers: { 200: { description: 'in the text format', type: 'text/plain' } },
  },
  openApi: {
    ...{ id: 'openApi', tag: 'daemon', summary: 'This document', access: 'open' },
    answers: { 200: { description: 'OpenAPI 3.1', type: 'application/json' } },
  },
  status: {
    ...{ id: 'status', tag: 'daemon', summary: 'What runs here, and how the cloud is', access: 'infer' },
    answers: { 200: { description: 'it is always there', schema: 'Status' } },
  },
  classify: {
    ...{ id: 'classify', tag: 'inference', summary: 'Answers one image or several', access: 'infer' },
    description:
      'Pictures as a body, as files of a form or in JSON; as application/octet-stream raw pixels, uint8 height x width x channels, of ' +
      'one image after the other. Every image is answered within its budget. A header traceparent is taken over.',
    query: [
      {
        name: 'budgetMs',
        description: 'milliseconds for each answer',
        schema: Type.Number({ exclusiveMinimum: 0, maximum: 600_000 }),
        example: 500,
      },
    ],
    request: [
      { schema: 'ClassifyRequest', example: { images: [{ id: 'cam-1', data: examplePicture }] } },
      { type: 'image/png' },
      { type: 'image/jpeg' },
      { type: 'image/webp' },
      { type: 'application/octet-stream' },
      { type: 'multipart/form-data' },
    ],
    answers: {
      200: { description: 'an answer for every image, in order', schema: 'Answers' },
      400: { description: 'what was sent is no image, or the budget is none', schema: 'Error' },
      413: { description: 'the body or a picture is too large, or images are too many', schema: 'Error' },
      500: { description: 'the computation failed', schema: 'Error' },
      503: { description: 'too many images are under way, or the daemon stops', schema: 'Error' },
    },
  },
} as const satisfies Record<string, Operation<SchemaName, 'daemon' | 'health' | 'inference'>>;
