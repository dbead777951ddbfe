/*
 * offload: slow work on a small pool of threads (2), away from the loop.
 *
 * Thread rule: inside a coroutine; `fn` itself runs on a thread of the pool.
 */
#ifndef FFX_LOOP_OFFLOAD_H
#define FFX_LOOP_OFFLOAD_H

/* Runs fn(arg) on a thread while the calling coroutine waits for its end.  fn calls nothing of this
 * library that is bound to the loop's thread or to another's arena. */
void offload(void (*fn)(void *arg), void *arg);

#endif
