export { AddressLimits, type AddressLimitsOptions } from './address-limits.ts';
export { addressKey, TrustedProxies } from './addresses.ts';
export { type Admission, bearerToken, httpAdmission } from './admission.ts';
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
export {
  type DescribedAnswer,
  type DescribedBody,
  type DescribedParameter,
  describeRoutes,
  type OpenApiInfo,
  type Operation,
} from './openapi.ts';
export { AllowedOrigins } from './origins.ts';
export { foreignRequest } from './own-machine.ts';
export {
  openPageSite,
  type PageImages,
  type PageOptions,
  type PageSite,
  type ServedPage,
  servePage,
} from './page/index.ts';
export { readCertificate, readPem } from './pem.ts';
export { type Rate, RateBucket } from './rate-bucket.ts';
export { untilSignal } from './signals.ts';
export { readTokenFile, type TokenSource } from './token-file.ts';
export { parseTokens, type Scope, scopes, type TokenEntry, type TokenLimits } from './token-lines.ts';
export { isLoopback, type KnownToken, refuseOpenHost, TokenTable, tokenRefusal } from './tokens.ts';
export { startTracing, type Tracing, type TracingOptions } from './tracing.ts';
export { FileWatch } from './watch-files.ts';
