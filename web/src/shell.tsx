// The frame around every page: rail, top bar, and the page that the address names.
export function Shell() {
  return <main>modelkit</main>;
}
