export { type Admission, httpAdmission } from './admission.ts';
export { bundleFolder } from './bundle-folder.ts';
export {
  type DecodeLimits,
  decodeImage,
  type ResizeMode,
  resizeModes,
  sentPictureResize,
} from './decode-image.ts';
export { keepHeartbeat } from './heartbeat.ts';
export { listenError } from './listen.ts';
export { foreignRequest } from './own-machine.ts';
export { untilSignal } from './signals.ts';
export { isLoopback, type TokenCheck, tokenCheck } from './tokens.ts';
