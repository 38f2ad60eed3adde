import { existsSync } from 'node:fs';

/** A browser of this machine, or why there is none. */
export type SystemBrowser = { readonly path: string } | { readonly lacking: string };

const places = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** What OFFRAMP_CHROMIUM names, else Chromium or Chrome where systems have it. */
export function systemChromium(): SystemBrowser {
  const named = process.env.OFFRAMP_CHROMIUM;
  if (named !== undefined && named !== '') return { path: named };
  const path = places.find((place) => existsSync(place));
  return path === undefined ? { lacking: 'no Chromium on this machine (Debian: chromium)' } : { path };
}

/** The first ones are for containers, the others keep it from asking its maker for anything. */
export const chromiumFlags = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic'],
  ...['--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
];
