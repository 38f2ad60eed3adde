import { Compile } from 'typebox/compile';
import { OfframpError } from '../../shared/errors.ts';
import { parseJson } from './json-body.ts';
import { type ModelRoutesOptions, notReady } from './model-routes.ts';
import { modelVersion } from './models.ts';
import { readBody } from './read-body.ts';
import type { Route, RouteRequest } from './route.ts';
import { schemas } from './schemas.ts';

/** Loads and unloads bundles while the server runs. */
export interface RepositoryAdmin {
  /** Names of the bundles that could be loaded. */
  available(): Promise<readonly string[]>;
  /** Resolves once the bundle is ready; rejects with an OfframpError and changes nothing when it cannot be. */
  load(bundle: string): Promise<void>;
  /** @param digest with which that of the version begins that is to go; all versions go when absent. */
  unload(bundle: string, digest?: string): Promise<void>;
}

export interface RepositoryRoutesOptions extends Pick<ModelRoutesOptions, 'models' | 'ready'> {
  /** Absent: what is served is what was named at start. */
  readonly admin?: RepositoryAdmin;
}

const maxRequestBytes = 4096;
const indexValidator = Compile(schemas.RepositoryIndexRequest);
const changeValidator = Compile(schemas.RepositoryChangeRequest);

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
          access: 'infer',
        },
        request: [{ schema: 'RepositoryIndexRequest', example: { ready: true } }],
        answers: {
          200: { description: 'each with its state', schema: 'RepositoryIndex' },
          400: { description: 'the body is no such request', schema: 'Error' },
          413: { description: `the body is larger than ${maxRequestBytes} bytes`, schema: 'Error' },
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
  const body = await readBody(request.raw, maxRequestBytes, new AbortController().signal);
  const wanted = body.length === 0 ? {} : parseJson(body);
  if (!indexValidator.Check(wanted)) {
    throw new OfframpError('INFERENCE_INVALID', 'The body is no {"ready": true or false}');
  }
  const ready = options.ready();
  if (wanted.ready === true && !ready) return [];
  const served = options.models().all.map(({ name }) => ({
    name,
    version: modelVersion,
    state: ready ? 'READY' : 'UNAVAILABLE',
    reason: ready ? '' : notReady,
  }));
  if (wanted.ready === true) return served;
  const names = (await options.admin?.available()) ?? [];
  const others = names.filter((name) => !served.some((one) => one.name === name));
  return [...served, ...others.map((name) => ({ name, state: 'UNAVAILABLE', reason: 'unloaded' }))];
}

function change(verb: 'load' | 'unload', { admin }: RepositoryRoutesOptions): Route {
  return {
    method: 'POST',
    url: `/v2/repository/models/:model/${verb}`,
    operation: {
      ...{ id: `${verb}Model`, tag: 'repository', summary: `Have a bundle ${verb}ed`, access: 'admin' },
      description: 'For administrators, where the server has a repository of bundles.',
      request: [{ schema: 'RepositoryChangeRequest', example: {} }],
      answers: {
        200: { description: 'done' },
        400: { description: 'the body is no such request', schema: 'Error' },
        403: { description: 'the token does not allow it', schema: 'Error' },
        404: { description: 'no such bundle', schema: 'Error' },
        413: { description: `the body is larger than ${maxRequestBytes} bytes`, schema: 'Error' },
        500: { description: 'the bundle cannot be served; nothing has changed', schema: 'Error' },
        501: { description: 'this server serves what it was started with', schema: 'Error' },
      },
    },
    handler: async ({ raw, params: { model = '' } }) => {
      if (admin === undefined) {
        throw new OfframpError(
          'NOT_SUPPORTED',
          `This server does not ${verb} bundles while it runs; start it with --repository`,
        );
      }
      const { digest } = await changeOf(raw);
      if (verb === 'load') await admin.load(model);
      else await admin.unload(model, digest);
      return {};
    },
  };
}

/** Triton's clients send parameters of their own, of which none is an instruction that is passed over here. */
async function changeOf(raw: RouteRequest['raw']): Promise<{ readonly digest?: string }> {
  const body = await readBody(raw, maxRequestBytes, new AbortController().signal);
  const wanted = body.length === 0 ? {} : parseJson(body);
  if (!changeValidator.Check(wanted)) {
    const message = 'The body is no {"parameters": {}}; a digest there is 8 to 64 hex digits in lower case';
    throw new OfframpError('INFERENCE_INVALID', message);
  }
  const { parameters = {} } = wanted;
  const foreign = Object.keys(parameters).find((name) => name === 'config' || name.startsWith('file:'));
  if (foreign !== undefined) {
    const message = `The parameter '${foreign}' would bring another model; put the bundle into the repository instead`;
    throw new OfframpError('NOT_SUPPORTED', message);
  }
  return parameters;
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
      ...{ tag: 'not supported', summary: 'The same of a repository with a name', access: 'infer' },
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
