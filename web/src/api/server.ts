// Requests to the control plane this page came from. A refusal becomes an Error with the server's own sentence.

export class Refusal extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

async function answer(response: Response): Promise<unknown> {
  const text = await response.text();
  let body: unknown = text;
  try {
    body = text ? JSON.parse(text) : {};
  } catch {
    // not JSON: shown as it is
  }
  if (response.ok) return body;
  const named = body as { message?: string; error?: string };
  throw new Refusal(response.status, named?.message ?? named?.error ?? `the server answered ${response.status}`);
}

export async function get<T>(path: string, query: Record<string, string | number | undefined> = {}, signal?: AbortSignal): Promise<T> {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) params.set(key, String(value));
  const search = params.size ? `?${params}` : "";
  return (await answer(await fetch(path + search, { headers: { Accept: "application/json" }, signal }))) as T;
}

export async function post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return (await answer(
    await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal }),
  )) as T;
}

export async function getText(path: string, signal?: AbortSignal): Promise<string> {
  const response = await fetch(path, { signal });
  const text = await response.text();
  if (!response.ok) await answer(new Response(text, { status: response.status }));
  return text;
}
