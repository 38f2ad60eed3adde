import Type, { type Static } from 'typebox';
import { encodeFrame } from './frame.ts';
import { parserOf } from './header-parser.ts';

const share = Type.Number({ minimum: 0, maximum: 1 });
const strict = { additionalProperties: false } as const;

const auditAlarm = Type.Object({ seen: share, allowed: share, thresholdScale: share }, strict);
const exitShareAlarm = Type.Object({ seen: share, calibrated: share }, strict);

const alarmsSchema = Type.Object(
  {
    b: Type.Integer({ minimum: 0, maximum: 0xffff_ffff }),
    audits: Type.Optional(auditAlarm),
    exitShare: Type.Optional(exitShareAlarm),
  },
  strict,
);

/** The cloud disagreed with more of the device's answers than its calibration allows, and thresholds were made stricter. */
export type AuditAlarm = Static<typeof auditAlarm>;
/** Another share of the images is sure on the device than at its calibration. */
export type ExitShareAlarm = Static<typeof exitShareAlarm>;

/** What a device's watches have raised and not taken back, all of it; what is absent does not stand. */
export interface Alarms {
  /** First four bytes of the bundle's digest, see {@link bundleTag}. */
  readonly bundleTag: number;
  readonly audits?: AuditAlarm;
  readonly exitShare?: ExitShareAlarm;
}

const parseHeader = parserOf('alarms', alarmsSchema);

/** @throws OfframpError FRAME_INVALID. */
export function parseAlarms(header: unknown): Alarms {
  const { b, ...standing } = parseHeader(header);
  return { bundleTag: b, ...standing };
}

export function encodeAlarms({ bundleTag, audits, exitShare }: Alarms): Uint8Array<ArrayBuffer> {
  return encodeFrame('alarms', 0, {
    b: bundleTag,
    ...(audits !== undefined && { audits }),
    ...(exitShare !== undefined && { exitShare }),
  });
}

/** Whether there is none. */
export function isQuiet({ audits, exitShare }: Alarms): boolean {
  return audits === undefined && exitShare === undefined;
}
