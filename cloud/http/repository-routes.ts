import { Compile } from 'typebox/compile';
import { OfframpError } from '../../shared/errors.ts';
import { parseJson } from './json-body.ts';
import { type ModelRoutesOptions, notReady } from './model-routes.ts';
import { modelVersion } from './models.ts';
import { readBody } from './read-body.ts';
import type { Identify, Route, RouteRequest } from './route.ts';
import { schemas } from './schemas.ts';

/** Loads and unloads bundles while the server runs. */
export interface RepositoryAdmin {
  /** Resolves once the model is ready; rejects with an OfframpError and changes nothing when it cannot be. */
  load(model: string): Promise<void>;
  unload(model: string): Promise<void>;
}

export interface RepositoryRoutesOptions extends Pick<ModelRoutesOptions, 'models' | 'ready'> {
  readonly identify: Identify;
  /** Absent: what is served is what was named at start. */
  readonly admin?: RepositoryAdmin;
}

const maxIndexBytes = 4096;
const indexValidator = Compile(schemas.RepositoryIndexRequest);

/** The model repository extension. */
export function repositoryRoutes(options: RepositoryRoutesOptions): Route[] {
  return [
    {
      method: 'POST',
      url: '/v2/repository/index',
      operation: {
        ...{
          id: 'repositoryIndex',
          tag: 'repository',
          summary: 'The models that there are',
          access: 'token',
        },
        request: [{ schema: 'RepositoryIndexRequest', example: { ready: true } }],
        answers: {
          200: { description: 'each with its state', schema: 'RepositoryIndex' },
          400: { description: 'the body is no such request', schema: 'Error' },
          413: { description: `the body is larger than ${maxIndexBytes} bytes`, schema: 'Error' },
        },
      },
      handler: (request) => indexOf(request, options),
    },
    change('load', options),
    change('unload', options),
    ...namedRepository(['index', 'models/:model/load', 'models/:model/unload']),
  ];
}

async function indexOf(request: RouteRequest, options: RepositoryRoutesOptions): Promise<unknown> {
  const body = await readBody(request.raw, maxIndexBytes, new AbortController().signal);
  const wanted = body.length === 0 ? {} : parseJson(body);
  if (!indexValidator.Check(wanted)) {
    throw new OfframpError('INFERENCE_INVALID', 'The body is no {"ready": true or false}');
  }
  const ready = options.ready();
  if (wanted.ready === true && !ready) return [];
  return options.models().all.map(({ name }) => ({
    name,
    version: modelVersion,
    state: ready ? 'READY' : 'UNAVAILABLE',
    reason: ready ? '' : notReady,
  }));
}

function change(verb: 'load' | 'unload', { admin, identify }: RepositoryRoutesOptions): Route {
  return {
    method: 'POST',
    url: `/v2/repository/models/:model/${verb}`,
    operation: {
      ...{ id: `${verb}Model`, tag: 'repository', summary: `Have a model ${verb}ed`, access: 'token' },
      description: 'For administrators, where the server allows it at all.',
      answers: {
        200: { description: 'done' },
        501: { description: 'this server serves what it was started with', schema: 'Error' },
      },
    },
    handler: async ({ raw, params: { model = '' } }) => {
      if (admin === undefined) {
        throw new OfframpError(
          'NOT_SUPPORTED',
          `This server does not ${verb} models while it runs; it serves the bundles that it was started with`,
        );
      }
      identify(raw, 'admin');
      await admin[verb](model);
      return {};
    },
  };
}

/** There is one repository, and it has no name. */
function namedRepository(paths: readonly string[]): Route[] {
  return paths.map((path) => ({
    method: 'POST',
    url: `/v2/repository/:repository/${path}`,
    operation: {
      id: `namedRepository${path
        .split('/')
        .at(-1)
        ?.replace(/^./, (letter) => letter.toUpperCase())}`,
      ...{ tag: 'not supported', summary: 'The same of a repository with a name', access: 'token' },
      answers: { 501: { description: 'repositories have no names here', schema: 'Error' } },
    },
    handler: () => {
      throw new OfframpError(
        'NOT_SUPPORTED',
        'Repositories have no names here; leave the name out of the path',
      );
    },
  }));
}
