// What the browser keeps for the next visit; one that keeps nothing (private, forbidden) is no fault.

/** Return what was kept under a name, or null. */
export function kept(name) {
  try {
    return localStorage.getItem(`twin.${name}`);
  } catch {
    return null;
  }
}

/** Keep a text under a name. */
export function keep(name, text) {
  try {
    localStorage.setItem(`twin.${name}`, text);
  } catch {
    // The choice holds as long as the page is open.
  }
}
