// An object as YAML, for reading and for `kubectl apply -f`. Objects from JSON need only this much of
// YAML; a library that also reads it would be sent with every first visit.

// Words that YAML would read as something else than text are quoted, as JSON quotes them, which YAML reads too.
const plain = /^[A-Za-z/][\w./@+-]*(:[\w./@+-]+)*$/;
const taken = /^(true|false|yes|no|on|off|null|y|n)$/i;

const scalar = (value: unknown): string =>
  typeof value === "string" && plain.test(value) && !taken.test(value) ? value : JSON.stringify(value);

export function yaml(value: unknown, indent = ""): string {
  if (typeof value !== "object" || value === null) return `${indent}${scalar(value)}\n`;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  if (!entries.length) return `${indent}${Array.isArray(value) ? "[]" : "{}"}\n`;
  return entries
    .map(([key, inner]) => {
      const nested = typeof inner === "object" && inner !== null && Object.keys(inner).length > 0;
      if (Array.isArray(value)) return `${indent}- ${yaml(inner, `${indent}  `).trimStart()}`;
      return `${indent}${scalar(key)}:${nested ? `\n${yaml(inner, Array.isArray(inner) ? indent : `${indent}  `)}` : ` ${yaml(inner).trimStart()}`}`;
    })
    .join("");
}
