const width = 24;

/** `######------------------` */
export function progressBar(share: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width);
  return `${"#".repeat(filled)}${"-".repeat(width - filled)}`;
}
