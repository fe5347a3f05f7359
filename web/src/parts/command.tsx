// "As command": the line that does what the page does.
import { useState } from "preact/hooks";

export function AsCommand({ lines }: { lines: string }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button aria-expanded={open} onClick={() => setOpen(!open)}>As command</button>
      {open ? <pre tabIndex={0} role="region" aria-label="Command" style={{ flexBasis: "100%" }}>{lines}</pre> : null}
    </>
  );
}
