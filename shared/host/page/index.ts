export { codingFor, type PageCoding, type PageContent, type PageFile, type PageSource } from './page-file.ts';
export { type ServedPage, servePage } from './page-routes.ts';
export { openPageSite, type PageImages, type PageOptions, type PageSite } from './page-site.ts';
