import type { Reply } from './poll.ts';

const timeoutMs = 5000;
const changeTimeoutMs = 120_000;
const tokenKey = 'offramp-console-token';

/**
 * The server that this page is from. The token is kept for this tab only, and travels in a header: no other page can have it sent, as it
 * could a cookie.
 */
export class Server {
  get token(): string {
    return sessionStorage.getItem(tokenKey) ?? '';
  }

  set token(token: string) {
    if (token === '') sessionStorage.removeItem(tokenKey);
    else sessionStorage.setItem(tokenKey, token);
  }

  /** @param sinceSecond first second of the history that is wanted. */
  async snapshot(sinceSecond: number): Promise<Reply> {
    try {
      const response = await this.#fetch(`v1/console?since=${sinceSecond}`, { cache: 'no-store' }, timeoutMs);
      const body = await response.json();
      if (response.ok) return { kind: 'snapshot', snapshot: body };
      const { code = '', error = '' } = body;
      if (response.status >= 500) return { kind: 'away', reason: String(error) };
      return { kind: 'refused', code: String(code), message: String(error) };
    } catch (thrown) {
      return { kind: 'away', reason: thrown instanceof Error ? thrown.message : String(thrown) };
    }
  }

  /** @returns why it was not done; undefined when it was. */
  async change(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<string | undefined> {
    try {
      const init = { method: 'POST', body: JSON.stringify({ parameters }) };
      const response = await this.#fetch(path, init, changeTimeoutMs);
      if (response.ok) return undefined;
      const { code = response.status, error = response.statusText } = await response.json();
      return `${code}: ${error}`;
    } catch (thrown) {
      return `The server did not answer: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
    }
  }

  /** Relative to the page, so that a proxy may put the server under a path. */
  #fetch(path: string, init: RequestInit, limitMs: number): Promise<Response> {
    const { token } = this;
    const headers = token === '' ? {} : { authorization: `Bearer ${token}` };
    const signal = AbortSignal.timeout(limitMs);
    return fetch(new URL(`../${path}`, document.baseURI), { ...init, headers, signal });
  }
}
