import type { Operation } from './openapi.ts';

/** The routes of the server that are not the inference protocol's, for the OpenAPI document. */
export const serverOperations = {
  live: {
    ...{ id: 'livez', tag: 'health', summary: 'Whether the process answers', access: 'open' },
    answers: { 200: { description: 'it does', schema: 'Live', example: { live: true } } },
  },
  ready: {
    ...{
      id: 'readyz',
      tag: 'health',
      summary: 'Whether work is taken, and of which bundles',
      access: 'open',
    },
    answers: {
      200: { description: 'it is', schema: 'Readiness' },
      503: { description: 'the server is stopping, or has nothing to compute with', schema: 'Readiness' },
    },
  },
  metrics: {
    ...{ id: 'metrics', tag: 'server', summary: 'Metrics for Prometheus', access: 'open' },
    answers: { 200: { description: 'in the text format', type: 'text/plain' } },
  },
  openApi: {
    ...{ id: 'openApi', tag: 'server', summary: 'This document', access: 'open' },
    answers: { 200: { description: 'OpenAPI 3.1', type: 'application/json' } },
  },
} as const satisfies Record<string, Operation>;
