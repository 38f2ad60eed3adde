export { type Documents, documentFiles, readDocuments } from './documents.ts';
export { type ResultsPage, resultsPage } from './page.ts';
export { measureStep, type StepName, stepNames } from './steps.ts';
