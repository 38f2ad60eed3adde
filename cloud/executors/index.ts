export {
  checkRemoteModel,
  graphDigestParameter,
  modelNameOf,
  type RemoteModel,
  segmentModelName,
} from './remote-models.ts';
export { RemoteRunner, type RemoteRunnerOptions } from './remote-runner.ts';
export { type RemoteServer, startRemoteRunner } from './start-remote.ts';
