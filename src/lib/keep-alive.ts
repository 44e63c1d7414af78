/**
 * Keeps the process alive until disposed: the clock's timers do not, so that none of them can hold
 * up a process that has nothing left to do.
 */
export function keepAlive(): Disposable {
  const timer = setInterval(() => {}, 2 ** 30);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
