export { writeRateCurve } from './files.ts';
export { measureRateCurve, type RateCurve, type RateCurveOptions } from './rate-curve.ts';
export { rateCurveWords } from './report.ts';
