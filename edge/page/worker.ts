/** The agent's worker of the page: that of any page, with an emulated link between it and its servers. */
import { systemClock } from '../../shared/clock.ts';
import { webLibrary } from '../../shared/runtime/web/index.ts';
import { servePage } from '../web/serve-page.ts';
import { EmulatedLink } from './link.ts';
import { obeyPage } from './link-control.ts';

const link = new EmulatedLink(systemClock);
obeyPage(link, self.location.hash.slice(1));
servePage({
  library: webLibrary,
  open: link.over((url, protocol) => new WebSocket(url, protocol)),
});
