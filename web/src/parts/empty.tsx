// A page without data says how to get some.
import type { ComponentChildren } from "preact";

export function Empty({ title, children, snippet }: { title: string; children?: ComponentChildren; snippet: string }) {
  return (
    <div class="empty">
      <strong>{title}</strong>
      {children ? <span class="soft">{children}</span> : null}
      <pre tabIndex={0} role="region" aria-label="Example">{snippet}</pre>
      <button onClick={() => void navigator.clipboard.writeText(snippet)}>Copy</button>
    </div>
  );
}
