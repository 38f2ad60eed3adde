import type { ConsoleSnapshot } from '../snapshot-schema.ts';
import { Actions } from './actions.ts';
import { byId, write } from './dom.ts';
import { Overview } from './overview.ts';
import { continued, nextSecond, noPast, type Past } from './past.ts';
import { Plots } from './plots.ts';
import { Poll, type Reply } from './poll.ts';
import { Server } from './server.ts';
import { Tables } from './tables.ts';
import { age, clockTime } from './words.ts';

const stateWords = { serving: 'serving', draining: 'draining', failed: 'cannot compute' } as const;
/** By more the start of a server cannot seem to move; then it is another server. */
const sameStartMs = 2000;

const figures = byId('figures', HTMLElement);
const tokenForm = byId('token-form', HTMLFormElement);
const tokenInput = byId('token', HTMLInputElement);
const tokenWhy = byId('token-why', HTMLElement);
const forget = byId('forget', HTMLButtonElement);
const state = byId('state', HTMLElement);
const reached = byId('reached', HTMLElement);

const server = new Server();
const actions = new Actions(server);
const tables = new Tables(actions);
actions.place();
const overview = new Overview();
let plots: Plots | undefined;
let past: Past = noPast;
let startedAtMs = 0;
/** On this machine's clock; undefined before the first answer. */
let reachedAtMs: number | undefined;

const poll = new Poll({
  ask: () => server.snapshot(nextSecond(past)),
  onReply,
  schedule(delayMs, action) {
    const timer = setTimeout(action, delayMs);
    return () => clearTimeout(timer);
  },
});

function onReply(reply: Reply): void {
  if (reply.kind === 'snapshot') show(reply.snapshot);
  else if (reply.kind === 'refused') askForToken(reply);
  else showAway(reply.reason);
}

function show(snapshot: ConsoleSnapshot): void {
  reachedAtMs = Date.now();
  remember(snapshot);
  showState(snapshot.state, stateWords[snapshot.state]);
  const { problem, version, uptimeSeconds } = snapshot;
  write(
    byId('about', HTMLElement),
    `${problem === null ? '' : `${problem} · `}version ${version} · up ${age(uptimeSeconds)}`,
  );
  setAway('');
  tokenForm.hidden = true;
  figures.hidden = false;
  forget.hidden = server.token === '';
  overview.show(snapshot, past);
  // Made when there is a place that has a width.
  plots ??= new Plots();
  plots.show(snapshot, past);
  tables.show(snapshot);
  actions.showRepository(snapshot.repository);
}

function remember({ history, atMs, uptimeSeconds }: ConsoleSnapshot): void {
  const startMs = atMs - uptimeSeconds * 1000;
  const isSame = Math.abs(startMs - startedAtMs) < sameStartMs;
  // Another server is asked for all that it has, the next time.
  past = isSame || past.rows.length === 0 ? continued(past, history) : noPast;
  startedAtMs = startMs;
}

function askForToken({ code, message }: { readonly code: string; readonly message: string }): void {
  poll.pause();
  showState('unknown', 'no access');
  setAway('');
  figures.hidden = true;
  const isFirst = code === 'UNAUTHORIZED' && server.token === '';
  write(tokenWhy, isFirst ? 'This server asks for a token that may read.' : `${code}: ${message}`);
  forget.hidden = true;
  tokenForm.hidden = false;
  tokenInput.focus();
}

function showAway(reason: string): void {
  showState('away', 'not reached');
  setAway(
    reachedAtMs === undefined
      ? `The server has not been reached yet (${reason}).`
      : `Not reached since ${clockTime(reachedAtMs)}.`,
  );
}

function setAway(text: string): void {
  document.body.classList.toggle('stale', text !== '');
  reached.classList.toggle('away', text !== '');
  write(reached, text);
}

function showState(kind: string, words: string): void {
  state.dataset.state = kind;
  write(state, words);
  write(document.head.querySelector('title') ?? document.head, `${words} – Offramp console`);
}

tokenForm.addEventListener('submit', (event) => {
  event.preventDefault();
  server.token = tokenInput.value.trim();
  tokenInput.value = '';
  poll.start();
});
forget.addEventListener('click', () => {
  server.token = '';
  past = noPast;
  poll.start();
});
document.addEventListener('visibilitychange', () => {
  if (document.hidden) poll.pause();
  else if (tokenForm.hidden) poll.start();
});
poll.start();
