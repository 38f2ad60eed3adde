import { OfframpError } from '../../shared/errors.ts';
import { ofModel, type Route } from './route.ts';

/** Extensions that clients know and this server has not: they are told so, instead of that the path is wrong. */
export function unsupportedRoutes(): Route[] {
  return [
    ...['system', 'cuda'].flatMap((kind) => sharedMemory(kind)),
    ...ofModel('/generate', refusal('POST', 'generate', 'text generation')),
    ...ofModel('/generate_stream', refusal('POST', 'generateStream', 'text generation')),
    ...(['GET', 'POST'] as const).flatMap((method) => [
      { ...refusal(method, `${method.toLowerCase()}Logging`, 'changing the log'), url: '/v2/logging' },
      { ...refusal(method, `${method.toLowerCase()}Trace`, 'tracing by request'), url: '/v2/trace/setting' },
      {
        ...refusal(method, `${method.toLowerCase()}ModelTrace`, 'tracing by request'),
        url: '/v2/models/:model/trace/setting',
      },
    ]),
  ];
}

function sharedMemory(kind: string): Route[] {
  const places = [
    ['GET', 'status', 'Status'],
    ['POST', 'unregister', 'UnregisterAll'],
    ['GET', 'region/:region/status', 'RegionStatus'],
    ['POST', 'region/:region/register', 'Register'],
    ['POST', 'region/:region/unregister', 'Unregister'],
  ] as const;
  return places.map(([method, path, name]) => ({
    ...refusal(method, `${kind}SharedMemory${name}`, 'shared memory'),
    url: `/v2/${kind}sharedmemory/${path}`,
  }));
}

function refusal(method: Route['method'], id: string, what: string): Omit<Route, 'url'> {
  return {
    method,
    operation: {
      ...{ id, tag: 'not supported', summary: `Not supported: ${what}`, access: 'infer' },
      answers: { 501: { description: `there is no ${what} here`, schema: 'Error' } },
    },
    handler: () => {
      throw new OfframpError('NOT_SUPPORTED', `There is no ${what} here; see docs/inference-protocol.md`);
    },
  };
}
