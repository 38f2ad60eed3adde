import type { Clock } from '../shared/clock.ts';
import { OfframpError } from '../shared/errors.ts';
import {
  type KnownToken,
  RateBucket,
  type Scope,
  type TokenEntry,
  TokenTable,
  tokenRefusal,
} from '../shared/host/index.ts';

/** What a peer shows of itself. */
export interface Credentials {
  readonly token: string | undefined;
  /** Common name in the client certificate that TLS has verified. */
  readonly certificate?: string | undefined;
}

/** Who a connection or an HTTP request belongs to, and what of it may still be taken. */
export interface Client {
  /** For logs and metrics: the certificate's, else the token's; `anonymous` without both. */
  readonly name: string;
  /** Requests that its token may have in flight over all connections; absent without a limit. */
  readonly maxInFlight: number | undefined;
  /** Why it may not go on, UNAUTHORIZED or FORBIDDEN, once its token was taken away or has expired. */
  refusal(): OfframpError | undefined;
  /**
   * Takes a request of so many rows. Call `end` once for each.
   * @throws OfframpError RATE_LIMITED with `retryAfterMs`.
   */
  begin(rows: number): void;
  end(): void;
  /** The connection is over; harmless when called again. */
  leave(): void;
}

export interface ClientsOptions {
  readonly tokens: readonly TokenEntry[];
  /** What everyone may do where there are no tokens. */
  readonly openScopes: readonly Scope[];
  readonly clock: Clock;
  /** The time of day, milliseconds since 1970: tokens expire by it. */
  readonly epochMs: () => number;
  /** Rows that a client was allowed to have computed. */
  readonly onRows: (client: string, rows: number) => void;
}

const anyoneId = '';
/** A refusal for what is in flight ends with an answer, and nobody knows when that comes. */
const inFlightRetryMs = 50;

/** What one token uses, over all connections and through every reading of its file. */
class Account {
  known: Omit<KnownToken, 'id'>;
  connections = 0;
  inFlight = 0;
  revoked = false;
  #rows: RateBucket | undefined;

  constructor(known: Omit<KnownToken, 'id'>, nowMs: number) {
    this.known = known;
    this.update(known, nowMs);
  }

  update(known: Omit<KnownToken, 'id'>, nowMs: number): void {
    this.known = known;
    const { rowsPerSecond } = known;
    if (rowsPerSecond === undefined) this.#rows = undefined;
    else {
      const rate = { perSecond: rowsPerSecond, burst: Math.max(1, rowsPerSecond) };
      this.#rows ??= new RateBucket(rate, nowMs);
      this.#rows.retune(rate, nowMs);
    }
  }

  begin(rows: number, nowMs: number): void {
    const { name, inFlight = Number.POSITIVE_INFINITY, rowsPerSecond } = this.known;
    if (this.inFlight >= inFlight) {
      const message = `'${name}' has ${this.inFlight} requests in flight, its token allows ${inFlight}`;
      throw new OfframpError('RATE_LIMITED', message, { retryAfterMs: inFlightRetryMs });
    }
    const waitMs = this.#rows?.take(rows, nowMs) ?? 0;
    if (waitMs > 0) {
      const message = `'${name}' asks for more than the ${rowsPerSecond} images a second of its token`;
      throw new OfframpError('RATE_LIMITED', message, { retryAfterMs: waitMs });
    }
    this.inFlight++;
  }
}

/** The holders of tokens, as the server knows them: who they are, what they use, and whether they may go on. */
export class Clients {
  readonly #options: ClientsOptions;
  readonly #accounts = new Map<string, Account>();
  readonly #connections = new Map<string, number>();
  /** Undefined where everyone is let in that gets this far: on loopback, or by certificate alone. */
  #table: TokenTable | undefined;

  constructor(options: ClientsOptions) {
    this.#options = options;
    if (options.tokens.length > 0) this.replace(options.tokens);
    else {
      const anyone = { name: 'anonymous', scopes: options.openScopes };
      this.#accounts.set(anyoneId, new Account(anyone, options.clock.now()));
    }
  }

  /** Open connections by the client's name. */
  get connections(): ReadonlyMap<string, number> {
    return this.#connections;
  }

  /**
   * Takes other tokens. One that is there again keeps what it uses, with its new name and limits; what held one that is not
   * finds out by `refusal`.
   */
  replace(tokens: readonly TokenEntry[]): void {
    const table = new TokenTable(tokens);
    const now = this.#options.clock.now();
    for (const [id, account] of this.#accounts) {
      account.revoked = !table.tokens.some((known) => known.id === id);
      if (account.revoked) this.#accounts.delete(id);
    }
    for (const known of table.tokens) {
      const account = this.#accounts.get(known.id);
      if (account === undefined) this.#accounts.set(known.id, new Account(known, now));
      else account.update(known, now);
    }
    this.#table = table;
  }

  /**
   * Takes a connection that shows these credentials, to have images answered.
   * @throws OfframpError UNAUTHORIZED, FORBIDDEN, TOO_MANY_CONNECTIONS.
   */
  connect(credentials: Credentials): Client {
    const account = this.#account(credentials.token, 'infer', 'The hello');
    const { name, connections = Number.POSITIVE_INFINITY } = account.known;
    if (account.connections >= connections) {
      const message = `'${name}' has ${account.connections} connections, its token allows ${connections}`;
      throw new OfframpError('TOO_MANY_CONNECTIONS', message);
    }
    const client = this.#client(account, 'infer', credentials);
    account.connections++;
    this.#count(client.name, 1);
    let left = false;
    return {
      ...client,
      leave: () => {
        if (left) return;
        left = true;
        account.connections--;
        this.#count(client.name, -1);
      },
    };
  }

  /**
   * Who makes an HTTP request that shows these credentials. `leave` does nothing: only WebSockets count as connections.
   * @throws OfframpError UNAUTHORIZED, FORBIDDEN.
   */
  identify(credentials: Credentials, scope: Scope): Client {
    const carrier = 'The header "Authorization: Bearer"';
    return this.#client(this.#account(credentials.token, scope, carrier), scope, credentials);
  }

  #account(token: string | undefined, scope: Scope, carrier: string): Account {
    const { epochMs } = this.#options;
    const id = this.#table?.identify(token, scope, epochMs(), carrier).id ?? anyoneId;
    const account = this.#accounts.get(id);
    if (account === undefined) throw new OfframpError('INTERNAL', 'A token without an account');
    const refusal = tokenRefusal(account.known, scope, epochMs());
    if (refusal !== undefined) throw refusal;
    return account;
  }

  #client(account: Account, scope: Scope, { certificate }: Credentials): Client {
    const { clock, epochMs, onRows } = this.#options;
    const name = certificate ?? account.known.name;
    return {
      name,
      maxInFlight: account.known.inFlight,
      refusal: () => {
        if (!account.revoked) return tokenRefusal(account.known, scope, epochMs());
        return new OfframpError(
          'UNAUTHORIZED',
          `The token '${account.known.name}' is no longer one of the server's`,
        );
      },
      begin: (rows) => {
        account.begin(rows, clock.now());
        onRows(name, rows);
      },
      end: () => {
        account.inFlight--;
      },
      leave: () => {},
    };
  }

  #count(name: string, change: number): void {
    const count = (this.#connections.get(name) ?? 0) + change;
    if (count > 0) this.#connections.set(name, count);
    else this.#connections.delete(name);
  }
}
