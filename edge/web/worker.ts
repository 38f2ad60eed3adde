/** The script of a page's worker: agent, connection and inference, so that the page itself never waits. */
import { webLibrary } from '../../shared/runtime/web/index.ts';
import { servePage } from './serve-page.ts';

servePage({ library: webLibrary });
