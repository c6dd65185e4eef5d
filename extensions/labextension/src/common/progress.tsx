import { percent } from './format';

export interface IProgressProps {
  /** What grows, for who does not see it. */
  label: string;
  /** From 0 to 1; null while nobody knows. */
  value: number | null;
  /** Said in place of the percentage. */
  text?: string;
}

/** How far something has come. */
export function Progress({ label, value, text }: IProgressProps): JSX.Element {
  const share = value === null ? null : Math.min(1, Math.max(0, value));
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={share === null ? undefined : Math.floor(share * 100)}
      aria-valuetext={text ?? (share === null ? undefined : percent(share))}
      className={`jp-Pelagos-bar${share === null ? ' jp-mod-unknown' : ''}`}
    >
      <span style={share === null ? {} : { width: `${share * 100}%` }} />
    </div>
  );
}

export interface IMeterProps {
  label: string;
  /** Of `total`; what is above is drawn as full. */
  used: number;
  total: number;
  /** Said and shown beside it: `1.2 GiB of 10 GiB`. */
  text: string;
  /** What would come on top of it, drawn lighter. */
  more?: number;
  /** `full`: something won't work; `high`: soon. Without it, from 90 % on it is high. */
  level?: 'ok' | 'high' | 'full';
}

/** How much of something is used up, as a bar with a text below. */
export function Meter({
  label,
  used,
  total,
  text,
  more = 0,
  level
}: IMeterProps): JSX.Element {
  const share = (part: number) =>
    total > 0 ? Math.min(1, Math.max(0, part / total)) : 1;
  const all = share(used + more);
  const shown = level ?? (all >= 0.9 ? 'high' : 'ok');
  return (
    <div className="jp-Pelagos-meter">
      <div
        role="meter"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(all * 100)}
        aria-valuetext={text}
        className={`jp-Pelagos-bar jp-mod-${shown}`}
      >
        <span style={{ width: `${share(used) * 100}%` }} />
        {more > 0 && (
          <span
            className="jp-mod-more"
            style={{ width: `${(all - share(used)) * 100}%` }}
          />
        )}
      </div>
      <span className="jp-Pelagos-meterText" aria-hidden="true">
        {text}
      </span>
    </div>
  );
}
