export { decideExit, type ExitDecision, type ExitQuestion } from './rule.ts';
export { argmax, normalisedEntropy, softmax } from './softmax.ts';
