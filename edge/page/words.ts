/** What happened, in sentences that need no manual. */
import type { Answer, BundleFacts, ErrorCode } from '../web/index.ts';
import { bytes, entropy } from './format.ts';
import type { HostState } from './host.ts';

/** Which way of the drawn road was taken. */
export type Way = 'exit' | 'travel' | 'cut';

export interface Verdict {
  readonly way: Way;
  readonly head: string;
  readonly words: string;
}

/** What of an answer the words depend on. */
export type Told = Pick<Answer, 'route' | 'degraded' | 'reason' | 'bytesSent' | 'exit' | 'className'> & {
  readonly device?: Pick<NonNullable<Answer['device']>, 'entropy' | 'label' | 'threshold'>;
  readonly label: number;
};

export function verdictOf(answer: Told, classes: readonly string[]): Verdict {
  if (answer.route === 'edge-only') {
    const words = 'No server is asked: all segments of the network ran in this page.';
    return { way: 'exit', head: 'Answered here, to the last layer', words };
  }
  if (answer.route === 'exit') return answer.degraded ? degraded(answer) : confident(answer);
  return travelled(answer, classes);
}

function confident({ device }: Told): Verdict {
  const words = `The branch on this device was sure enough: ${against(device, 'below')}. Nothing was sent.`;
  return { way: 'exit', head: 'Left by the off-ramp', words };
}

function travelled(answer: Told, classes: readonly string[]): Verdict {
  const { device, label, bytesSent, exit } = answer;
  const own = device && classes[device.label];
  const same =
    device?.label === label ? 'as the branch had guessed' : `the branch alone would have said ${own}`;
  const cutShort = answer.degraded ? ' It had no time for its deepest layers.' : '';
  const sure = device === undefined ? '' : `The branch was not sure: ${against(device, 'not below')}. `;
  const words = `${sure}${bytes(bytesSent)} went to the server, which ran the remaining layers and answered at exit '${exit}', ${same}.${cutShort}`;
  return { way: 'travel', head: 'Travelled to the server', words };
}

function degraded({ device, reason }: Told): Verdict {
  const words = `The branch was not sure: ${against(device, 'not below')}. The server should have finished it, but ${reasonWords(reason)}. So this is the branch's best guess.`;
  return { way: 'cut', head: 'Answered here, because the server could not', words };
}

function against(device: Told['device'], how: string): string {
  if (device === undefined) return 'nothing is known of its entropy';
  const { threshold } = device;
  const than = threshold === undefined ? '' : `, ${how} the threshold ${entropy(threshold)}`;
  return `entropy ${entropy(device.entropy)}${than}`;
}

const reasons: Partial<Record<ErrorCode, string>> = {
  BUDGET_SPENT: 'no answer came within the budget',
  BUSY: 'it has too much to do',
  CLOUD_UNREACHABLE: 'it cannot be reached',
  CONNECTION_LOST: 'the connection is lost',
  DRAINING: 'it is being stopped',
  LINK_SLOW: 'the link is too slow for the budget',
  RATE_LIMITED: 'it was asked too often',
  UNAUTHORIZED: 'it wants a token',
};

export function reasonWords(reason: ErrorCode | undefined): string {
  if (reason === undefined) return 'it did not';
  return `${reasons[reason] ?? 'it refused'} (${reason})`;
}

/** Faults of starting and classifying, for whoever looks at the page. */
const faults: Partial<Record<ErrorCode, string>> = {
  BUNDLE_FILE_CORRUPT:
    'A file of the network is not what its manifest says. Was the server updated meanwhile? Load the page again.',
  BUNDLE_FILE_MISSING:
    'The network could not be loaded: the server of this page does not answer, or has it no longer.',
  BUSY: 'Too many pictures are under way. Wait a moment.',
  IMAGE_INVALID: 'That is no picture that this browser can read.',
  IMAGE_TOO_LARGE: 'That picture is too large.',
  PROVIDER_UNAVAILABLE:
    'WebAssembly, which the network needs, did not start: its files cannot be loaded, or a setting or an extension of this browser blocks it.',
  RUNTIME_FAILED: "The page's worker failed. Load the page again.",
};

export function faultWords(code: ErrorCode, message: string): string {
  return faults[code] ?? `${message} (${code})`;
}

export const notReadyWords = 'The network is still loading. Try again in a moment.';

/** @param message why WebGPU could not be had. */
export function withoutWebGpuWords(message: string): string {
  return `WebGPU did not start, so the page runs on WebAssembly again: ${message}`;
}

const providerNames: Readonly<Record<string, string>> = {
  wasm: 'the processor, by WebAssembly',
  webgpu: 'the graphics processor, by WebGPU',
};

/** Where the segments of this page really run. */
export function providerWords({ provider, threads }: NonNullable<HostState['runsOn']>): string {
  const count = provider === 'wasm' ? `, ${threads === 1 ? '1 thread' : `${threads} threads`}` : '';
  return `Segments here run on ${providerNames[provider] ?? provider}${count}.`;
}

/** How a picture is given to a network. */
export function inputWords({ inputShape, classes }: Pick<BundleFacts, 'inputShape' | 'classes'>): string {
  const files = 'A picture can be pasted or dropped.';
  if (inputShape[2] !== 1) return `This network knows: ${classes.join(', ')}. ${files}`;
  return `Draw with mouse, finger or pen; with the keyboard: arrows move the pen, Shift and arrows draw. ${files}`;
}

/** What `getUserMedia` refuses with, Media Capture and Streams section 10.3. */
const cameraFaults: Readonly<Record<string, string>> = {
  NotAllowedError:
    'The camera was refused. Allow it in the browser to use it here; everything else goes on without.',
  NotFoundError: 'This device has no camera that the browser knows of.',
  NotReadableError: 'The camera is in use by another program.',
};

export function cameraWords(name: string): string {
  return cameraFaults[name] ?? `The camera does not start (${name}).`;
}

/** @param depth whether this page runs the whole network or begins it. */
export function connectionWords(
  { connection, server, problem }: Pick<HostState, 'connection' | 'server' | 'problem'>,
  depth: 'all-here' | 'first-here',
): string {
  if (connection === 'connected') return `Connected to ${server ?? 'the server'}`;
  if (depth === 'all-here') return 'Edge-only: no server, all segments run in this page';
  if (problem?.code === 'UNAUTHORIZED') return 'The server wants a token; the branch answers alone';
  if (connection === 'looking') return 'Looking for the server; the branch answers alone';
  return 'No server; the branch answers alone';
}
