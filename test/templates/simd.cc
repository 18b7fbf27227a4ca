// Checks the SIMD layer of one instruction set against libm and plain loops; prints one line per failure. Built by simd.test.ts.
#include "prelude.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

using namespace gk;

static int failures = 0;
static void fail(const char* what, double at, double got, double want) {
  if (failures++ < 20) printf("%s at %.9g: %.9g, expected %.9g\n", what, at, got, want);
}

static double uniform(double low, double high) { return low + (high - low) * ((double)rand() / RAND_MAX); }

// Largest allowed error is relative·|want| + absolute.
template <class F, class R>
static void compare(const char* what, F function, R reference, double low, double high, double relative, double absolute) {
  for (int i = 0; i < 100000 / W; i++) {
    float x[W], y[W];
    for (int j = 0; j < W; j++) x[j] = (float)uniform(low, high);
    vstore(y, function(vload(x)));
    for (int j = 0; j < W; j++) {
      const double want = reference((double)x[j]);
      if (!(fabs(y[j] - want) <= relative * fabs(want) + absolute)) fail(what, x[j], y[j], want);
    }
  }
}

static float first(vf v) { float t[W]; vstore(t, v); return t[0]; }
static void same(const char* what, double at, float got, float want) {
  if (!(got == want || (got != got && want != want))) fail(what, at, got, want);
}

static void functions() {
  compare("vexp", [](vf x) { return vexp(x); }, [](double x) { return exp(x); }, -87, 88.7, 1.3e-7, 0);
  compare("vexp near 0", [](vf x) { return vexp(x); }, [](double x) { return exp(x); }, -1, 1, 1.3e-7, 0);
  compare("vtanh", [](vf x) { return vtanh(x); }, [](double x) { return tanh(x); }, -2, 2, 2e-7, 0);
  compare("vtanh far", [](vf x) { return vtanh(x); }, [](double x) { return tanh(x); }, -30, 30, 2e-7, 0);
  compare("verf", [](vf x) { return verf(x); }, [](double x) { return erf(x); }, -6, 6, 2.5e-7, 0);
  compare("silu", [](vf x) { return act(0, x); }, [](double x) { return x / (1 + exp(-x)); }, -80, 20, 3e-7, 0);
  compare("gelu", [](vf x) { return act(1, x); }, [](double x) { return .5 * x * (1 + erf(x * sqrt(.5))); }, -10, 10, 2e-7, 5e-7);
  compare("gelu_pytorch_tanh", [](vf x) { return act(2, x); },
          [](double x) { return .5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + .044715 * x * x * x))); }, -10, 10, 2e-7, 5e-7);
  compare("relu", [](vf x) { return act(3, x); }, [](double x) { return x > 0 ? x : 0; }, -10, 10, 0, 0);
  compare("vsqrt", [](vf x) { return vsqrt(x); }, [](double x) { return sqrt(x); }, 0, 1e6, 7e-8, 0);
  const float ends[] = {INFINITY, -INFINITY, NAN, -100.0f, 89.0f, -103.5f, -200.0f, 0.0f};
  for (float x : ends) {
    same("vexp", x, first(vexp(vset1(x))), expf(x));
    same("vtanh", x, first(vtanh(vset1(x))), tanhf(x));
    same("verf", x, first(verf(vset1(x))), erff(x));
  }
  same("relu keeps NaN", NAN, act1(3, NAN), NAN);
}

template <class T>
static void loads(const char* what, T (*element)(int)) {
  T data[2 * W];
  for (int i = 0; i < 2 * W; i++) data[i] = element(i);
  for (int n = -1; n <= 2 * W + 1; n++) {
    float x[W], two[2 * W];
    vstore(x, load_n(data, n));
    for (int i = 0; i < W; i++) same(what, n, x[i], i < n ? to_float(data[i]) : 0);
    vf a, b;
    load2_n(data, n, a, b);
    from_order2(data, a, b);
    vstore(two, a);
    vstore(two + W, b);
    for (int i = 0; i < 2 * W; i++) same(what, n, two[i], i < n ? to_float(data[i]) : 0);
    to_order2(data, a, b);
    vf c, d;
    load2_n(data, n, c, d);
    float u[2 * W], v[2 * W];
    vstore(u, a); vstore(u + W, b); vstore(v, c); vstore(v + W, d);
    for (int i = 0; i < 2 * W; i++) same("order", n, u[i], v[i]);
  }
}

static void memory() {
  for (int n = -1; n <= W + 1; n++) {
    float data[W + 1], x[W];
    for (int i = 0; i <= W; i++) data[i] = i + 1.0f;
    vstore(x, vload_n(data, n));
    for (int i = 0; i < W; i++) same("vload_n", n, x[i], i < n ? i + 1.0f : 0);
    vstore_n(data, vset1(-1), n);
    for (int i = 0; i <= W; i++) same("vstore_n", n, data[i], i < n && i < W ? -1 : i + 1.0f);
  }
  loads<float>("f32", [](int i) { return i + 0.5f; });
  loads<f16>("f16", [](int i) { return f16{(uint16_t)(0x3c00 + 3 * i)}; });
  loads<bf16>("bf16", [](int i) { return bf16{(uint16_t)(0x3f80 + 3 * i)}; });
  for (int bits = 0; bits < 65536; bits += W) {
    f16 h[W];
    float x[W];
    for (int i = 0; i < W; i++) h[i].bits = (uint16_t)(bits + i);
    vstore(x, load(h));
    for (int i = 0; i < W; i++) {
      const int e = (bits + i) >> 10 & 31, f = (bits + i) & 1023;
      const double m = e == 31 ? (f ? NAN : INFINITY) : e ? ldexp(1024 + f, e - 25) : ldexp(f, -24);
      const float want = (float)((bits + i) & 0x8000 ? -m : m);
      same("f16 vector", bits + i, x[i], want);
      same("f16 scalar", bits + i, to_float(h[i]), want);
    }
  }
}

static void lanes() {
  float x[W], sum = 0, most = -INFINITY;
  for (int i = 0; i < W; i++) { x[i] = (float)((i * 7) % 5 - 3); sum += x[i]; most = x[i] > most ? x[i] : most; }
  same("vsum", 0, vsum(vload(x)), sum);
  same("vmaxall", 0, vmaxall(vload(x)), most);
  vf rows[W];
  for (int i = 0; i < W; i++) {
    float r[W];
    for (int j = 0; j < W; j++) r[j] = (float)(i * W + j);
    rows[i] = vload(r);
  }
  transpose(rows);
  for (int i = 0; i < W; i++) {
    float r[W];
    vstore(r, rows[i]);
    for (int j = 0; j < W; j++) same("transpose", i * W + j, r[j], (float)(j * W + i));
  }
}

int main() {
  functions();
  memory();
  lanes();
  return failures > 0;
}
