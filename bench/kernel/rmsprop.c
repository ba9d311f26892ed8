// The limit: RMSprop as one fused loop in C, in the roundings of src/rmsprop/equations.ts. Driven line by line over stdin.
//
// A line `fused size steps` answers the nanoseconds of that many steps, `checked size steps` those with the safety check
// (finite, and |g| <= maxAbs) as a pass before each, `bits size steps` the sum modulo 2^32 of the parameters' bits afterwards.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const float lr = 0.001f, rho = 0.9f, omr = (float)(1.0 - (double)0.9f), epsilon = 1e-8f, maxAbs = 1e9f;
static float *p, *a, *g;
static size_t size;

static float *floats(size_t length) {
  size_t bytes = (length * sizeof(float) + 63) / 64 * 64;
  float *all = aligned_alloc(64, bytes);
  if (all == NULL) exit(1);
  return memset(all, 0, bytes);
}

// the gradients of bench/kernel/gradients.ts
static void allocate(size_t wanted) {
  free(p);
  free(a);
  free(g);
  size = wanted;
  p = floats(size);
  a = floats(size);
  g = floats(size);
  for (size_t i = 0; i < size; i++) g[i] = (float)(((uint32_t)i * 2654435761u / 4294967296.0 - 0.5) * 0.02);
}

// a = rho * a + (1 - rho) * g^2
// p = p - lr * g / (sqrt(a) + epsilon)
__attribute__((noinline)) static void fused(float *restrict p, float *restrict a, const float *restrict g, size_t length) {
  for (size_t i = 0; i < length; i++) {
    a[i] = rho * a[i] + omr * (g[i] * g[i]);
    p[i] = p[i] - lr * g[i] / (sqrtf(a[i]) + epsilon);
  }
}

__attribute__((noinline)) static int refused(const float *g, size_t length) {
  int bad = 0;
  for (size_t i = 0; i < length; i++) bad |= !(fabsf(g[i]) <= maxAbs);
  return bad;
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static uint32_t bits(void) {
  uint32_t sum = 0;
  for (size_t i = 0; i < size; i++) {
    uint32_t word;
    memcpy(&word, &p[i], 4);
    sum += word;
  }
  return sum;
}

int main(void) {
  char what[16];
  size_t wanted;
  long steps;
  while (scanf("%15s %zu %ld", what, &wanted, &steps) == 3) {
    if (wanted != size || strcmp(what, "bits") == 0) allocate(wanted);
    int checked = strcmp(what, "checked") == 0;
    int64_t start = now();
    for (long step = 0; step < steps; step++) {
      if (checked && refused(g, size)) return 1;
      fused(p, a, g, size);
    }
    int64_t elapsed = now() - start;
    printf("%lld\n", strcmp(what, "bits") == 0 ? (long long)bits() : (long long)elapsed);
    fflush(stdout);
  }
  return 0;
}
