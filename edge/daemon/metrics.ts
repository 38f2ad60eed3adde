import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ExitShareFigures } from '../../shared/exits/index.ts';
import type { Answer, AuditStatus } from '../agent/index.ts';

const seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Read when metrics are scraped. */
export interface Gauges {
  connected(): boolean;
  inFlight(): number;
  /** Since the start. */
  planChanges?(): number;
  /** Absent where nothing is audited. */
  audit?(): AuditStatus | undefined;
  /** Absent where the calibration says nothing of it. */
  exitShare?(): ExitShareFigures | undefined;
  /** Since the start. */
  hedges(): number;
  /** Since the start. */
  lateAnswers(): number;
}

/** The daemon's Prometheus metrics. */
export class EdgeMetrics {
  readonly registry = new Registry();
  readonly #answers: Counter<'route' | 'exit' | 'reason'>;
  readonly #refusals: Counter<'code'>;
  readonly #bytesSent: Counter;
  readonly #latency: Histogram<'route'>;

  constructor(gauges: Gauges) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.#answers = new Counter({
      name: 'offramp_edge_answers_total',
      help: 'Answers by route, exit and, when degraded, the reason',
      labelNames: ['route', 'exit', 'reason'],
      registers,
    });
    this.#refusals = new Counter({
      name: 'offramp_edge_refusals_total',
      help: 'Images refused, by error code',
      labelNames: ['code'],
      registers,
    });
    this.#bytesSent = new Counter({
      name: 'offramp_edge_sent_bytes_total',
      help: 'Bytes of requests to the cloud, WebSocket framing included',
      registers,
    });
    this.#latency = new Histogram({
      name: 'offramp_edge_latency_seconds',
      help: 'Time from the image to its answer, by route',
      labelNames: ['route'],
      buckets: seconds,
      registers,
    });
    this.#gauge('cloud_connected', '1 while connected to the cloud', () => Number(gauges.connected()));
    this.#gauge('in_flight', 'Images under way', () => gauges.inFlight());
    this.#counted('plan_changes', 'Times that another plan was followed', () => gauges.planChanges?.() ?? 0);
    const audit = () => gauges.audit?.();
    this.#gauge('threshold_scale', 'What thresholds are multiplied with', () => audit()?.thresholdScale ?? 1);
    this.#gauge('audits', 'Audited answers under the thresholds of now', () => audit()?.audits ?? 0);
    this.#gauge('audit_disagreements', 'Those of them with another label', () => audit()?.disagreements ?? 0);
    this.#gauge('drift_evidence', 'Evidence of too much disagreement', () => audit()?.evidence ?? 0);
    const exitShare = () => gauges.exitShare?.();
    this.#gauge(
      'exit_share',
      'Share of the last images that are sure at the first exit',
      () => exitShare()?.recent ?? 0,
    );
    this.#gauge('exit_share_moved', '1 while that is not as calibrated', () =>
      Number(exitShare()?.moved ?? 0),
    );
    this.#counted('late_answers', 'Cloud answers that came after their budget', () => gauges.lateAnswers());
    this.#counted('hedges', 'Requests sent to a second server because the first stalled', () =>
      gauges.hedges(),
    );
  }

  onAnswer({ route, exit, reason, latencyMs, bytesSent }: Answer): void {
    this.#answers.inc({ route, exit, reason: reason ?? '' });
    this.#latency.observe({ route }, latencyMs / 1000);
    this.#bytesSent.inc(bytesSent);
  }

  onRefused(code: string): void {
    this.#refusals.inc({ code });
  }

  /** Counted where it happens. */
  #counted(name: string, help: string, read: () => number): void {
    new Counter({
      name: `offramp_edge_${name}_total`,
      help,
      registers: [this.registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }

  #gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name: `offramp_edge_${name}`,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }
}
