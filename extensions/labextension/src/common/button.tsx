import { ButtonHTMLAttributes, useEffect, useRef, useState } from 'react';

export interface IButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  /** `accept`: the one that goes on; `warn`: takes something away; `link`: small, in a line. */
  kind?: 'plain' | 'accept' | 'warn' | 'link';
}

/** A real button in JupyterLab's colours. */
export function Button({
  kind = 'plain',
  className = '',
  ...rest
}: IButtonProps): JSX.Element {
  const look = kind === 'plain' ? '' : ` jp-mod-${kind}`;
  return (
    <button type="button" className={`jp-Pelagos-button${look} ${className}`} {...rest} />
  );
}

export interface IConfirmProps {
  /** On the button: what would be done. */
  label: string;
  /** The same for who does not see beside what it stands. */
  said?: string;
  /** Asked when it is pressed. */
  question: string;
  yes: string;
  no: string;
  onConfirm: () => void;
  disabled?: boolean;
  kind?: IButtonProps['kind'];
}

/** A button that asks, in its own place, before it takes something away. */
export function Confirm({
  label,
  said,
  question,
  yes,
  no,
  onConfirm,
  disabled,
  kind
}: IConfirmProps): JSX.Element {
  const [asked, setAsked] = useState(false);
  const was = useRef(false);
  const first = useRef<HTMLButtonElement>(null);
  // the focus stays here when one button takes the other's place
  useEffect(() => {
    if (asked !== was.current) {
      was.current = asked;
      first.current?.focus();
    }
  }, [asked]);
  if (!asked) {
    return (
      <button
        ref={first}
        type="button"
        className={`jp-Pelagos-button${kind && kind !== 'plain' ? ` jp-mod-${kind}` : ''}`}
        disabled={disabled}
        aria-label={said}
        onClick={() => setAsked(true)}
      >
        {label}
      </button>
    );
  }
  return (
    <span
      role="group"
      aria-label={question}
      className="jp-Pelagos-confirm"
      onKeyDown={event => {
        if (event.key === 'Escape') {
          event.stopPropagation();
          setAsked(false);
        }
      }}
    >
      <span>{question}</span>
      <button
        ref={first}
        type="button"
        className="jp-Pelagos-button"
        onClick={() => setAsked(false)}
      >
        {no}
      </button>
      <Button
        kind="warn"
        onClick={() => {
          setAsked(false);
          onConfirm();
        }}
      >
        {yes}
      </Button>
    </span>
  );
}
