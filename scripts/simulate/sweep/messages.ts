import type { ErrorCode } from '../../../shared/errors.ts';
import type { Piece } from '../cells.ts';
import type { FleetResult } from '../fleet.ts';
import type { ScenarioPlace } from '../prepare-scenario.ts';
import type { Scenario } from '../scenario.ts';

/** What a thread prepares for itself: a bundle does not travel between threads. */
export interface SweepInit {
  readonly scenario: Scenario;
  readonly place: ScenarioPlace;
}

/** To a thread, which answers one after the other. */
export type ToSweepThread = Piece;

export type FromSweepThread =
  | { readonly kind: 'done'; readonly result: FleetResult }
  /** Of the piece that it was given, or of its preparations. */
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string };
