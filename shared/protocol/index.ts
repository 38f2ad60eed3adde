export {
  type Alarms,
  type AuditAlarm,
  type ExitShareAlarm,
  encodeAlarms,
  isQuiet,
  parseAlarms,
} from './alarms.ts';
export {
  decodeFrame,
  encodeFrame,
  type Frame,
  type FrameType,
  maxHeaderBytes,
  maxRequestId,
  subprotocol,
} from './frame.ts';
export {
  type BundleClaim,
  type BundleRun,
  bundleTag,
  type ErrorReply,
  encodeError,
  encodeGoaway,
  encodeHello,
  encodeInfer,
  encodeResult,
  encodeWelcome,
  type Goaway,
  type Hello,
  type InferRequest,
  type InferResult,
  type Load,
  parseError,
  parseGoaway,
  parseHello,
  parseInfer,
  parseResult,
  parseWelcome,
  type Welcome,
} from './messages.ts';
export { type PictureFormat, pictureFormatOf, pictureFormats } from './pictures.ts';
export { clientWireBytes, type Transport, type TransportEvents } from './transport.ts';
